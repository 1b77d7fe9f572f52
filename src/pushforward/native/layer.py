"""Calls of the native layers: arrays of float32, features first, rows last.

The arrays of a layer, in order: the net's inputs (inputs, n), what is moved (features, n), if
partial which features are there (features, n; one or zero), per level the weights
(width, width_in), the sums' start (width, n or 1) and, if gated, the gates (width, n), then per
leaf of the scalar map the weights (size, features, width) and the start (size, features).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

MOST_BINS, MOST_LEVELS = 32, 8


@dataclasses.dataclass(frozen=True)
class Layer:
    """Hold what of a layer is no array.

    Parameters
    ----------
    widths : of the levels.
    ends : per unit of every level, then per feature: how many of the inputs below it are used;
        in ascending order, all connections beyond are zero.
    known : per level and feature j, how many units features before j determine; empty where
        nothing is solved feature by feature.
    sizes : of the scalar map's leaves.
    gated : whether levels have gates.
    partial : whether features may be absent.
    bins : of the spline; 0 for an affine map.
    bound : of the spline's box, or of |log σ|.
    """

    widths: tuple[int, ...]
    ends: tuple[int, ...]
    known: tuple[int, ...]
    sizes: tuple[int, ...]
    gated: bool
    partial: bool
    bins: int
    bound: float

    def attributes(self) -> dict:
        numbers = lambda values: np.asarray(values, np.int64)  # noqa: E731
        return {
            "widths": numbers(self.widths),
            "ends": numbers(self.ends),
            "sizes": numbers(self.sizes),
            "gated": self.gated,
            "partial": self.partial,
            "bins": np.int64(self.bins),
            "bound": np.float64(self.bound),
        }


def moved(layer: Layer, way: str, *arrays: Array) -> tuple[Array, Array]:
    """Return the moved features and Σ log |∂z/∂x|.

    `way` is "inverse" from x to z, "forward" from z to x, or "solved" from z to x where each
    feature's parameters come from the features before it.
    """
    v = arrays[1]
    like = (jax.ShapeDtypeStruct(v.shape, v.dtype), jax.ShapeDtypeStruct(v.shape[1:], v.dtype))
    call = jax.ffi.ffi_call("PushforwardMoved", like)
    known = np.asarray(layer.known if way == "solved" else (), np.int64)
    out, slope = call(*arrays, known=known, up=way != "inverse", **layer.attributes())
    return out, slope


def gradient(layer: Layer, *arrays: Array) -> tuple[Array, ...]:
    """Return the cotangents of a layer's arrays, from x to z.

    `arrays` ends with the cotangents of the results: of the moved features `(features, n)` and of
    Σ log |∂z/∂x| `(n,)`. Gates and marks of presence are constants: theirs are zero. Weights get
    entries at forbidden places too; who silenced them silences these.
    """
    x, v, *others = arrays[:-2]
    present, others = (others[:1], others[1:]) if layer.partial else ([], others)
    n, is_gated = x.shape[1], int(layer.gated)
    like = lambda *shape: jax.ShapeDtypeStruct(shape, x.dtype)  # noqa: E731
    levels = [like(width, n) for width in layer.widths for _ in range(2)]
    leaves = [like(size, v.shape[0], n) for size in layer.sizes]
    call = jax.ffi.ffi_call(
        "PushforwardGradient", (like(*x.shape), like(*v.shape), *levels, *leaves)
    )
    g_x, g_v, *found = call(*arrays, **layer.attributes())
    out, below = [g_x, g_v, *map(jnp.zeros_like, present)], x
    for level in range(len(layer.widths)):
        g_sums, units = found[2 * level], found[2 * level + 1]
        start = others[(2 + is_gated) * level + 1]
        g_start = g_sums if start.shape[1] == n else g_sums.sum(1, keepdims=True)
        out += [g_sums @ below.T, g_start]
        if is_gated:
            out.append(jnp.zeros_like(others[(2 + is_gated) * level + 2]))
        below = units
    for g_leaf in found[2 * len(layer.widths) :]:
        out += [jnp.tensordot(g_leaf, below, ([2], [1])), g_leaf.sum(2)]
    return tuple(out)
