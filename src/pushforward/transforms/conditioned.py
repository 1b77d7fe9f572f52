"""Scalar maps whose parameters a net gives: by JAX, or by native code that does the same."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from pushforward import native
from pushforward.core.swapped import pulled, swapped
from pushforward.core.types import Context, DLogp, Features
from pushforward.nets.mlp import Trunk, silenced
from pushforward.transforms.absent import by_feature, with_absent, without_absent
from pushforward.transforms.elementwise import BoundedAffine
from pushforward.transforms.spline import RationalQuadraticSpline
from pushforward.transforms.template import Heads

Moved = tuple[Features, DLogp]


def moved(
    trunk: Trunk,
    heads: Heads,
    inputs: Features,
    v: Features,
    context: Context,
    way: str,
    absent: Array | None = None,
) -> Moved:
    """Return v moved "forward" or "inverse" by the maps whose parameters a net of inputs gives.

    Features that are `absent`, with zeros in their place, come back marked, and count no volume.
    """
    present = None if absent is None else 1 - absent.astype(v.dtype)
    parts = trunk, heads, inputs, v, context, present
    if serves(trunk, heads, v):
        after, dlogp = _call(_WAYS[way], *parts)
    else:
        after, dlogp = _moved(way, *parts)
    return after if absent is None else with_absent(after, absent), dlogp


def _moved(
    way: str,
    trunk: Trunk,
    heads: Heads,
    inputs: Features,
    v: Features,
    context: Context,
    present: Array | None,
) -> Moved:
    template = heads(trunk(inputs, context), trunk.head_mask(heads.dim))
    if present is None:
        return getattr(template, way)(v)
    after, each = getattr(by_feature(template, v.ndim), way)(v[None])
    return after[0], jnp.where(present > 0, each, 0.0).sum(0)


def serves(trunk: Trunk, heads: Heads, v: Array) -> bool:
    """Tell whether native code knows a layer: rectified units, a known template, float32."""
    template = heads.template
    leaves = (v, *jax.tree.leaves((trunk, heads)))
    return (
        type(template) in (RationalQuadraticSpline, BoundedAffine)
        and native.is_there()
        and trunk.activation == "relu"
        and not trunk.residual
        and trunk.parents is None
        and all(leaf.dtype == jnp.float32 for leaf in leaves)
        and len(trunk.hidden) <= native.MOST_LEVELS
        and _bins_and_bound(template)[0] <= native.MOST_BINS
    )


def _bins_and_bound(template: Any) -> tuple[int, float]:
    """Return a known template's bins, none where it is affine, and its box or limit."""
    if isinstance(template, RationalQuadraticSpline):
        return template.widths.shape[0], template.bound
    return 0, template.limit


def solved(layer: Any, z: Features, context: Context, plain: Callable) -> Moved:
    """Return x of an autoregressive layer, feature by feature, and dlogp.

    `plain`, a module's own function of the same three, does it by JAX.
    """
    if not serves(layer.trunk, layer.heads, z):
        return plain(layer, z, context)
    return _call(_Way(plain, _native_solved), layer, z, context)


class _Way(NamedTuple):
    """Hold what JAX and native code do with the same parts, and native code's gradient."""

    plain: Callable
    native: Callable
    gradient: Callable | None = None


def _call(way: _Way, *parts: PyTree) -> Moved:
    leaves, structure = jax.tree.flatten(parts)
    return _programs(way, structure, len(leaves))(*leaves)


@functools.lru_cache(256)
def _programs(way: _Way, structure: Any, n: int) -> Callable:
    """Return a function of the parts' leaves."""

    def of(function: Callable) -> Callable:
        return lambda *leaves: function(*jax.tree.unflatten(structure, leaves))

    plain = of(way.plain)
    gradient = derived = pulled(plain, n)
    if way.gradient is not None:
        gradient = swapped(
            derived,
            gradient=pulled(derived, n + 2),
            native=functools.partial(way.gradient, structure, n),
        )
    return swapped(plain, gradient=gradient, native=of(way.native))


def _native_solved(layer: Any, z: Features, context: Context) -> Moved:
    absent, z = without_absent(z) if layer.partial else (None, z)
    present = None if absent is None else 1 - absent.astype(z.dtype)
    arrays = _arrays(layer.trunk, layer.heads, z, z, context, present)
    fixed = _layer(layer.trunk, layer.heads, layer.partial)
    x, dlogp = native.moved(fixed, "solved", *arrays)
    x = x.reshape(z.shape)
    return x if absent is None else with_absent(x, absent), dlogp.reshape(z.shape[1:])


def _native(
    way: str,
    trunk: Trunk,
    heads: Heads,
    inputs: Features,
    v: Features,
    context: Context,
    present: Array | None,
) -> Moved:
    layer = _layer(trunk, heads, present is not None)
    arrays = _arrays(trunk, heads, inputs, v, context, present)
    out, dlogp = native.moved(layer, way, *arrays)
    return out.reshape(v.shape), dlogp.reshape(v.shape[1:])


def _native_gradient(structure: Any, n: int, *leaves: Array) -> tuple:
    """Return the cotangents of the leaves of `_moved`'s parts, "inverse"."""
    trunk, heads, _, v, _, present = jax.tree.unflatten(structure, leaves[:n])
    arrays_of = lambda *own: _arrays(*jax.tree.unflatten(structure, own))  # noqa: E731
    arrays, pull = jax.vjp(arrays_of, *leaves[:n])
    g_out, g_slope = leaves[n:]
    rows = (g_out.reshape(v.shape[0], -1), g_slope.reshape(-1))
    return pull(native.gradient(_layer(trunk, heads, present is not None), *arrays, *rows))


_WAYS = {
    "forward": _Way(functools.partial(_moved, "forward"), functools.partial(_native, "forward")),
    "inverse": _Way(
        functools.partial(_moved, "inverse"),
        functools.partial(_native, "inverse"),
        _native_gradient,
    ),
}


def _layer(trunk: Trunk, heads: Heads, partial: bool) -> native.Layer:
    """Return what is fixed of a layer."""
    masks = trunk.masks()
    last = trunk.head_mask(heads.dim)
    shapes = [
        (w, trunk.first.shape[1] if i == 0 else trunk.hidden[i - 1])
        for i, w in enumerate(trunk.hidden)
    ]
    shapes.append((heads.dim, trunk.hidden[-1]))
    ends = [
        np.full(rows, columns) if mask is None else _ends(mask)
        for (rows, columns), mask in zip(shapes, [*masks, last], strict=True)
    ]
    template = heads.template
    bins, bound = _bins_and_bound(template)
    return native.Layer(
        widths=trunk.hidden,
        ends=tuple(int(end) for level in ends for end in level),
        known=() if last is None else _known(trunk, heads.dim),
        sizes=tuple(leaf.shape[0] if leaf.ndim == 2 else 1 for leaf in jax.tree.leaves(template)),
        gated=trunk.gates is not None,
        partial=partial,
        bins=bins,
        bound=bound,
    )


def _known(trunk: Trunk, dim: int) -> tuple[int, ...]:
    """Return per level and feature how many units are made of what that feature may depend on."""
    return tuple(int((level <= j).sum()) for level in trunk.unit_degrees for j in range(dim))


def _ends(mask: np.ndarray) -> np.ndarray:
    """Return per row the number of columns up to the last one that is used, never falling."""
    last = np.where(mask.any(1), mask.shape[1] - np.argmax(mask[:, ::-1], axis=1), 0)
    return np.maximum.accumulate(last)


def _arrays(
    trunk: Trunk,
    heads: Heads,
    inputs: Features,
    v: Features,
    context: Context,
    present: Array | None,
) -> tuple[Array, ...]:
    """Return a layer's arrays as `native` takes them."""
    n = v[0].size
    rows = lambda part: part.reshape(part.shape[0], -1)  # noqa: E731
    first, weights = trunk.masked()
    start = trunk.biases[0][:, None]
    if trunk.from_context is not None:
        extra = jnp.asarray(trunk.before_context(context, v.ndim))
        is_shared = extra[0].size == 1
        shape = extra.shape if is_shared else (extra.shape[0], *v.shape[1:])
        start = start + rows(jnp.broadcast_to(extra, shape))
    arrays = [inputs.reshape(inputs.shape[0], n), v.reshape(v.shape[0], n)]
    arrays += [] if present is None else [present.reshape(v.shape[0], n)]
    starts = [start, *(bias[:, None] for bias in trunk.biases[1:])]
    for level, (weight, own) in enumerate(zip((first, *weights), starts, strict=True)):
        arrays += [weight, own]
        if trunk.gates is not None:
            gate = trunk.gates[level].value
            arrays.append(jnp.broadcast_to(rows(gate), (gate.shape[0], n)))
    mask = trunk.head_mask(heads.dim)
    for weight, leaf in zip(heads.weights, jax.tree.leaves(heads.template), strict=True):
        used = silenced(weight, mask)
        arrays += [used.reshape(-1, *used.shape[-2:]), leaf.reshape(-1, heads.dim)]
    return tuple(arrays)
