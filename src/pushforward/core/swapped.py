"""Faster programs for a function and for its gradient, in place of what JAX would derive.

JAX's `custom_vjp` gives a function its own gradient and takes forward mode and `vmap` away from
native code. Here nothing is taken away: values and reverse mode run the faster programs, and
forward mode, second derivatives and `vmap` run the function itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Function = Callable[..., tuple[Array, ...]]


def swapped(function: Function, *, gradient: Function, native: Function | None = None) -> Function:
    """Return a function of arrays that runs other programs for its value and its gradient.

    Parameters
    ----------
    function : pure, of arrays to a tuple of arrays; its programs must outlive the call (module
        level, or `functools.partial` of such), for programs are kept by it.
    gradient : of its arrays and then the cotangents of its results, to the arrays' cotangents.
        It is differentiated itself for second derivatives in reverse mode.
    native : the same map on a CPU, None for `function` itself.
    """
    return partial(_bind, function, gradient, native)


def _bind(
    function: Function, gradient: Function, native: Function | None, *arrays: Array
) -> tuple[Array, ...]:
    programs = {"function": function, "gradient": gradient, "native": native}
    return tuple(_value.bind(*map(jnp.asarray, arrays), **programs))


_value = Primitive("swapped")
_value.multiple_results = True
_slope = Primitive("swapped_slope")
_slope.multiple_results = True


def _tangent(function: Function, n: int, *arrays: Array) -> tuple[Array, ...]:
    """Return the derivative at the first n arrays along the others."""
    return jax.jvp(function, arrays[:n], arrays[n:])[1]


def _shapes(function: Function, *avals: Any) -> list[ShapedArray]:
    arrays = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    return [ShapedArray(out.shape, out.dtype) for out in jax.eval_shape(function, *arrays)]


@_value.def_abstract_eval
def _value_shapes(*avals: Any, function: Function, **_: Any) -> list[ShapedArray]:
    return _shapes(function, *avals)


@_slope.def_abstract_eval
def _slope_shapes(*avals: Any, function: Function, **_: Any) -> list[ShapedArray]:
    return _shapes(partial(_tangent, function, len(avals) // 2), *avals)


_value.def_impl(lambda *arrays, **programs: jax.jit(partial(_value.bind, **programs))(*arrays))
_slope.def_impl(lambda *arrays, **programs: jax.jit(partial(_slope.bind, **programs))(*arrays))


def _run(*arrays: Array, function: Function, **_: Any) -> tuple[Array, ...]:
    return function(*arrays)


def _run_native(
    *arrays: Array, function: Function, native: Function | None, **_: Any
) -> tuple[Array, ...]:
    return (function if native is None else native)(*arrays)


def _run_slope(*arrays: Array, function: Function, **_: Any) -> tuple[Array, ...]:
    return _tangent(function, len(arrays) // 2, *arrays)


mlir.register_lowering(_value, mlir.lower_fun(_run, multiple_results=True))
mlir.register_lowering(_value, mlir.lower_fun(_run_native, multiple_results=True), platform="cpu")
mlir.register_lowering(_slope, mlir.lower_fun(_run_slope, multiple_results=True))


def _value_jvp(
    arrays: Sequence[Array], tangents: Sequence[Any], **programs: Any
) -> tuple[list[Array], list[Array]]:
    along = [ad.instantiate_zeros(t) for t in tangents]
    slopes = _slope.bind(
        *arrays, *along, function=programs["function"], gradient=programs["gradient"]
    )
    return _value.bind(*arrays, **programs), slopes


def _slope_jvp(
    arrays: Sequence[Array], tangents: Sequence[Any], *, function: Function, **_: Any
) -> tuple[Any, Any]:
    along = tuple(ad.instantiate_zeros(t) for t in tangents)
    return jax.jvp(partial(_tangent, function, len(arrays) // 2), tuple(arrays), along)


def _slope_transpose(
    cotangents: Sequence[Any], *arrays: Any, gradient: Function, **_: Any
) -> list[Any]:
    n = len(arrays) // 2
    own = gradient(*arrays[:n], *map(ad.instantiate_zeros, cotangents))
    return [None] * n + list(own)


ad.primitive_jvps[_value] = _value_jvp
ad.primitive_jvps[_slope] = _slope_jvp
ad.primitive_transposes[_slope] = _slope_transpose


def _batched(primitive: Primitive, run: Callable, arrays: Any, axes: Any, **programs: Any) -> tuple:
    """Map `function` itself over a new axis."""
    out = jax.vmap(partial(run, **programs), axes)(*arrays)
    return out, [0] * len(out)


batching.primitive_batchers[_value] = partial(_batched, _value, _run)
batching.primitive_batchers[_slope] = partial(_batched, _slope, _run_slope)
