"""Compiled programs, and how many of them a process keeps."""

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import equinox as eqx
import jax

KEPT = 8
"""Programs of a function that are kept. One of a flow takes a thousand of the 65,530 memory maps
that Linux grants a process: one that fits many tables would end in LLVM's lack of memory."""


Function = TypeVar("Function", bound=Callable)


def compiled(function: Function) -> Function:
    """Compile a function of PyTrees like `equinox.filter_jit`, and keep its last `KEPT` programs.

    Arrays are inputs, everything else (hashable) is part of the program.
    """

    @functools.lru_cache(KEPT)
    def program(shape: Hashable, sizes: Hashable, rest: Hashable, values: tuple) -> Callable:
        others = jax.tree.unflatten(rest, values)
        return jax.jit(
            lambda leaves: function(*eqx.combine(jax.tree.unflatten(shape, leaves), others))
        )

    @functools.wraps(function)
    def call(*inputs: Any) -> Any:
        arrays, others = eqx.partition(inputs, eqx.is_array)
        leaves, shape = jax.tree.flatten(arrays)
        values, rest = jax.tree.flatten(others)
        sizes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        return program(shape, sizes, rest, tuple(values))(leaves)

    return call  # type: ignore[return-value]
