"""Faster programs for a function and for its gradient, in place of what JAX would derive.

JAX's `custom_vjp` gives a function its own gradient and takes forward mode and `vmap` away from
native code. Here nothing is taken away: values and reverse mode run the faster programs, and
forward mode, second derivatives and `vmap` run the function itself.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Function = Callable[..., tuple[Array, ...]]


class Programs(NamedTuple):
    """Hold a function, what gives its gradient, and what computes the same on a CPU."""

    function: Function
    gradient: Function
    native: Function | None


def swapped(function: Function, *, gradient: Function, native: Function | None = None) -> Function:
    """Return a function of arrays that runs other programs for its value and its gradient.

    Parameters
    ----------
    function : pure, of arrays to a tuple of arrays; compiled programs are kept by its identity.
    gradient : of its arrays and then the cotangents of its results, to the arrays' cotangents.
        It is differentiated itself for second derivatives in reverse mode.
    native : the same map on a CPU, None for `function` itself.
    """
    return partial(_bind, Programs(function, gradient, native))


def pulled(function: Function, n: int) -> Function:
    """Return the cotangents of a function's n arrays, from those and then its results' own."""
    return partial(_pulled, function, n)


def _pulled(function: Function, n: int, *arrays: Array) -> tuple[Array, ...]:
    return jax.vjp(function, *arrays[:n])[1](tuple(arrays[n:]))


def _bind(programs: Programs, *arrays: Array) -> tuple[Array, ...]:
    return tuple(_value.bind(*map(jnp.asarray, arrays), programs=programs))


_value = Primitive("swapped")
_value.multiple_results = True
_slope = Primitive("swapped_slope")
_slope.multiple_results = True


def _run(*arrays: Array, programs: Programs) -> tuple[Array, ...]:
    return programs.function(*arrays)


def _run_native(*arrays: Array, programs: Programs) -> tuple[Array, ...]:
    return (programs.native or programs.function)(*arrays)


def _run_slope(*arrays: Array, programs: Programs) -> tuple[Array, ...]:
    """Return the derivative at the first half of the arrays along the other half."""
    n = len(arrays) // 2
    return jax.jvp(programs.function, arrays[:n], arrays[n:])[1]


def _shapes(run: Callable, *avals: Any, programs: Programs) -> list[ShapedArray]:
    return _known_shapes(run, programs, tuple((a.shape, a.dtype) for a in avals))


@lru_cache(1024)
def _known_shapes(run: Callable, programs: Programs, sizes: tuple) -> list[ShapedArray]:
    arrays = [jax.ShapeDtypeStruct(*size) for size in sizes]
    found = jax.eval_shape(partial(run, programs=programs), *arrays)
    return [ShapedArray(out.shape, out.dtype) for out in found]


@partial(jax.jit, static_argnums=0, static_argnames="programs")
def _at_once(primitive: Primitive, *arrays: Array, programs: Programs) -> list[Array]:
    return primitive.bind(*arrays, programs=programs)


def _value_jvp(
    arrays: Sequence[Array], tangents: Sequence[Any], *, programs: Programs
) -> tuple[list[Array], list[Array]]:
    along = [ad.instantiate_zeros(t) for t in tangents]
    return _value.bind(*arrays, programs=programs), _slope.bind(*arrays, *along, programs=programs)


def _slope_jvp(
    arrays: Sequence[Array], tangents: Sequence[Any], *, programs: Programs
) -> tuple[Any, Any]:
    along = tuple(ad.instantiate_zeros(t) for t in tangents)
    return jax.jvp(partial(_run_slope, programs=programs), tuple(arrays), along)


def _slope_transpose(cotangents: Sequence[Any], *arrays: Any, programs: Programs) -> list[Any]:
    n = len(arrays) // 2
    own = programs.gradient(*arrays[:n], *map(ad.instantiate_zeros, cotangents))
    return [None] * n + list(own)


def _mapped(
    run: Callable, arrays: Sequence[Array], axes: Sequence[int | None], *, programs: Programs
) -> tuple[Any, list[int]]:
    """Map `function` itself over a new axis."""
    out = jax.vmap(partial(run, programs=programs), axes)(*arrays)
    return out, [0] * len(out)


for _primitive, _own in ((_value, _run), (_slope, _run_slope)):
    _primitive.def_abstract_eval(partial(_shapes, _own))
    _primitive.def_impl(partial(_at_once, _primitive))
    mlir.register_lowering(_primitive, mlir.lower_fun(_own, multiple_results=True))
    batching.primitive_batchers[_primitive] = partial(_mapped, _own)
mlir.register_lowering(_value, mlir.lower_fun(_run_native, multiple_results=True), platform="cpu")
ad.primitive_jvps[_value] = _value_jvp
ad.primitive_jvps[_slope] = _slope_jvp
ad.primitive_transposes[_slope] = _slope_transpose
