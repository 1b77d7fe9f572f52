"""Compiled programs, and how many of them a process keeps."""

import functools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array

KEPT = 8
"""Programs of a function that are kept. One of a flow takes a thousand of the 65,530 memory maps
that Linux grants a process: one that fits many tables would end in LLVM's lack of memory."""

_KEPT_PREPARED = 32
"""Programs that are kept of all functions that score a model: they are smaller."""

_PLAIN = {"xla_cpu_use_fusion_emitters": False}
"""XLA's plain emitters compile a program in half the time of its new ones."""

Program = Callable[..., Array]
Function = TypeVar("Function", bound=Callable)


def jit(function: Function, how: Callable = jax.jit) -> Function:
    """Compile a function by `how`, in half the time where nothing is being traced.

    Within another trace, where JAX takes no such option, it is an ordinary `jax.jit`.
    """
    alone = how(function, compiler_options=_PLAIN)
    within = how(function)

    @functools.wraps(function)
    def call(*inputs: Any) -> Any:
        return (within if is_traced(inputs) else alone)(*inputs)

    return call  # type: ignore[return-value]


def is_traced(inputs: Any) -> bool:
    """Tell whether inputs are traced, or whatever is computed now."""
    leaves = jax.tree.leaves(inputs)
    return any(isinstance(leaf, Tracer) for leaf in (jnp.zeros(()), *leaves))


def compiled(function: Function) -> Function:
    """Compile a function of PyTrees like `equinox.filter_jit`, and keep its last `KEPT` programs.

    Arrays are inputs, everything else (hashable) is part of the program.
    """

    @functools.lru_cache(KEPT)
    def program(shape: Hashable, sizes: Hashable, rest: Hashable, values: tuple) -> Callable:
        others = jax.tree.unflatten(rest, values)
        return jit(lambda leaves: function(*eqx.combine(jax.tree.unflatten(shape, leaves), others)))

    @functools.wraps(function)
    def call(*inputs: Any) -> Any:
        arrays, others = eqx.partition(inputs, eqx.is_array)
        leaves, shape = jax.tree.flatten(arrays)
        values, rest = jax.tree.flatten(others)
        sizes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        return program(shape, sizes, rest, tuple(values))(leaves)

    return call  # type: ignore[return-value]


def prepared(function: Callable[..., Array], model: object) -> Program:
    """Return `function(model, …)` compiled, for many calls: the model is taken apart once, here."""
    leaves, shape = jax.tree.flatten(model)
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    sizes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    return functools.partial(_program(function, shape, sizes), leaves)


@functools.lru_cache(_KEPT_PREPARED)
def _program(function: Callable[..., Array], shape: Hashable, sizes: Hashable) -> Program:
    def call(leaves: list[Array], *blocks: Array) -> Array:
        return function(jax.tree.unflatten(shape, leaves), *blocks)

    return jit(call)
