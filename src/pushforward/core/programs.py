"""Compiled programs, and how many of them a process keeps."""

import functools
from collections.abc import Callable, Hashable, Mapping
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
"""XLA's plain emitters compile a program in half the time of its new ones; what they compile takes
up to 1.1 times as long where layers are native, 1.4 times where they are not."""

SCORING = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""For many rows and no gradient: products by Eigen instead of YNNPACK. Scores take 0.8 (maf, 8
columns) to 1.0 of the time; a step of learning would take up to 1.3 times as long. Here the new
emitters compile 0.1 s longer, and without native code scores take 0.75 (maf) to 0.95 (nsf)."""

DRAWING = {**_PLAIN, **SCORING}
"""Samples of a spline flow take 0.8 of the time; they are loops of small steps, which the new
emitters do not make faster."""

Program = Callable[..., Array]
Function = TypeVar("Function", bound=Callable)


def jit(
    function: Function, how: Callable = jax.jit, options: Mapping[str, bool | str] = _PLAIN
) -> Function:
    """Compile a function of positional arguments by `how` and those options that this XLA knows.

    Within another trace, where JAX takes no options, it is an ordinary `jax.jit`.
    """
    within = how(function)

    @functools.cache
    def alone() -> Callable:
        known = {name: value for name, value in options.items() if _is_known(name, value)}
        return how(function, compiler_options=known)

    @functools.wraps(function)
    def call(*inputs: Any) -> Any:
        return (within if is_traced(inputs) else alone())(*inputs)

    return call  # type: ignore[return-value]


@functools.cache
def _is_known(name: str, value: bool | str) -> bool:
    """Tell whether this XLA takes an option."""
    try:
        jax.jit(lambda: 0, compiler_options={name: value})()
    except jax.errors.JaxRuntimeError:
        return False
    return True


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

    return jit(call, options=SCORING)
