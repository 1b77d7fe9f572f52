"""The monotone rational-quadratic spline, with linear tails of slope one."""

import functools
import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.evidence import Evidence
from pushforward.core.stages import Stage, apart, together
from pushforward.core.swapped import pulled, swapped
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bins import MIN_BIN, check_bins, locate, pick
from pushforward.transforms.rational_quadratic import rise, slope, solve

MIN_SLOPE = 1e-3
"""Least derivative at a knot: keeps the quadratic's root well conditioned in float32."""

UNIT_SLOPE = math.log(math.expm1(1 - MIN_SLOPE))
"""The raw slope that stands for one."""


class RationalQuadraticSpline(Transform):
    r"""Bend each feature by a monotone rational-quadratic spline on [−B, B], identity outside.

    Between knots as in `rational_quadratic`, with z rising in x and knots (x_k, z_k).

    `inverse` (data → latent) evaluates this; `forward` solves the quadratic.

    Parameters
    ----------
    bins : number of bins, at least 2.
    bound : B; the spline maps [−B, B] onto itself.

    The leaves are raw widths and heights `(bins, …)` (softmax) and raw inner slopes
    `(bins − 1, …)` (softplus); trailing axes align with the event. Zeros give the identity.

    Source gregory1982, durkan2019nsf
    """

    widths: Float[Array, "bins ..."]
    heights: Float[Array, "bins ..."]
    slopes: Float[Array, "inner ..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, bins: int = 8, bound: float = 5.0):
        check_bins(bins, bound)
        self.widths = jnp.zeros(bins)
        self.heights = jnp.zeros(bins)
        self.slopes = jnp.zeros(bins - 1)
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._by(_solve, z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._by(_evaluate, x)

    def _by(self, way: Callable, v: Features) -> tuple[Features, DLogp]:
        raw = (align(part, v.ndim + 1) for part in (self.widths, self.heights, self.slopes))
        moved, log_slope = _staged(way, self.bound)(v, *raw)
        return moved, log_slope.sum(0)


@functools.lru_cache
def _staged(way: Callable, bound: float) -> Callable[..., tuple[Array, ...]]:
    """Return a way of (v, widths, heights, slopes), in stages on a CPU.

    From x to z the gradient is in closed form.
    """
    by, here = functools.partial(way, bound, together), functools.partial(_apart, way, bound)
    if way is not _evaluate:
        return swapped(by, gradient=pulled(by, 4), native=here)
    slope_by = functools.partial(_evaluate_gradient, bound, together)
    gradient = swapped(
        slope_by,
        gradient=pulled(slope_by, 6),
        native=functools.partial(_apart, _evaluate_gradient, bound),
    )
    return swapped(by, gradient=gradient, native=here)


def _apart(way: Callable, bound: float, v: Features, *arrays: Array) -> tuple[Array, ...]:
    return way(bound, apart(v), v, *arrays)


def _solve(
    bound: float, stage: Stage, z: Features, widths: Array, heights: Array, slopes: Array
) -> tuple[Array, Array]:
    def way(z: Array, raw0: Array, raw1: Array, *corner_and_size: Array) -> tuple[Array, Array]:
        x_low, y_low, width, height = corner_and_size
        inside = jnp.abs(z) < bound
        d0, d1, s = _slope_of(raw0), _slope_of(raw1), height / width
        t = solve(jnp.clip(jnp.clip(z, -bound, bound) - y_low, 0, height), height, s, d0, d1)
        x = jnp.where(inside, x_low + t * width, z)
        return x, jnp.where(inside, jnp.log(slope(t, s, d0, d1)), 0.0)

    found = locate(widths, heights, jnp.clip(z, -bound, bound), bound, True, stage=stage)
    return stage(way, z, *stage(_edges, slopes, found.index), *found[:4])


def _evaluate(
    bound: float, stage: Stage, x: Features, widths: Array, heights: Array, slopes: Array
) -> tuple[Array, Array]:
    def way(x: Array, raw0: Array, raw1: Array, *corner_and_size: Array) -> tuple[Array, Array]:
        x_low, y_low, width, height = corner_and_size
        inside = jnp.abs(x) < bound
        d0, d1, s = _slope_of(raw0), _slope_of(raw1), height / width
        t = jnp.clip((jnp.clip(x, -bound, bound) - x_low) / width, 0, 1)
        z = jnp.where(inside, y_low + rise(t, height, s, d0, d1), x)
        return z, jnp.where(inside, jnp.log(slope(t, s, d0, d1)), 0.0)

    found = locate(widths, heights, jnp.clip(x, -bound, bound), bound, False, stage=stage)
    return stage(way, x, *stage(_edges, slopes, found.index), *found[:4])


def _edges(slopes: Array, index: Array) -> tuple[Array, Array]:
    """Return the raw slopes at both ends of the bins: of slope one at the box's ends."""
    end = jnp.full((), UNIT_SLOPE, slopes.dtype)
    raw = [end, *(slopes[k] + UNIT_SLOPE for k in range(slopes.shape[0])), end]
    return pick(index, raw[:-1]), pick(index, raw[1:])


def _slope_of(raw: Array) -> Array:
    return jax.nn.softplus(raw) + MIN_SLOPE


def _evaluate_gradient(
    bound: float,
    stage: Stage,
    x: Features,
    widths: Array,
    heights: Array,
    slopes: Array,
    g_z: Array,
    g_slope: Array,
) -> tuple[Array, ...]:
    """Return the cotangents of x and the raw parameters, from those of z and its log slope.

    z and the slope depend on the bin's left edge, its size and its two edge slopes; edges and
    sizes are linear in a softmax, whose own derivative is what is left once its mean is taken off.
    """
    bins = heights.shape[0]
    floor = 2 * bound * MIN_BIN
    room = 2 * bound - bins * floor

    def of_bin(x: Array, raw0: Array, raw1: Array, *given: Array) -> tuple[Array, ...]:
        x_low, y_low, width, height, index, per_width, per_height, g_z, g_slope = given
        inside = jnp.abs(x) < bound
        d0, d1 = _slope_of(raw0), _slope_of(raw1)
        g_z_in, g_slope_in = jnp.where(inside, g_z, 0.0), jnp.where(inside, g_slope, 0.0)
        per = 1 / width
        s = height * per
        t = jnp.clip((jnp.clip(x, -bound, bound) - x_low) * per, 0, 1)
        o = 1 - t
        tt = t * o
        u = d0 + d1 - 2 * s
        under = 1 / (s + u * tt)
        share = (s * t * t + d0 * tt) * under
        grown = g_z_in * height * under
        g_num = g_slope_in / (d1 * t * t + 2 * s * tt + d0 * o * o)
        g_den = -grown * share - 2 * g_slope_in * under
        g_s = grown * t * t + g_den * (1 - 2 * tt) + 2 * g_num * tt + 2 * g_slope_in / s
        g_d0 = (grown + g_den) * tt + g_num * o * o
        g_d1 = g_den * tt + g_num * t * t
        g_tt = grown * d0 + g_den * u + 2 * g_num * s
        g_t = g_tt * (1 - 2 * t) + 2 * grown * s * t + 2 * g_num * (d1 * t - d0 * o)
        g_x = g_t * per
        edge = floor * index.astype(x.dtype) - bound
        sides = (
            (-g_x, x_low, -(g_t * t + g_s * s) * per, width, per_width),
            (g_z_in, y_low, g_z_in * share + g_s * per, height, per_height),
        )
        kinds = []
        for g_low, low, g_size, size, unit in sides:
            mean = (g_low * (low - edge) + g_size * (size - floor)) / room
            # Bins before the value's move its edge, its own its size, those after only the sum.
            kinds += [(g_low - mean) * unit, (g_size - mean) * unit, -mean * unit]
        return (
            jnp.where(inside, g_x, g_z),
            g_d0 * jax.nn.sigmoid(raw0),
            g_d1 * jax.nn.sigmoid(raw1),
            *kinds,
        )

    def of_parameters(index: Array, e_w: Array, e_h: Array, *given: Array) -> tuple[Array, ...]:
        g0, g1, *kinds = given
        k = jnp.arange(bins).reshape((bins, *(1,) * index.ndim))
        own = lambda before, at, after: jnp.where(  # noqa: E731
            k < index, before, jnp.where(k == index, at, after)
        )
        # Inner knot k is the left edge of bin k + 1 and the right edge of bin k.
        at_knots = jnp.where(k[1:] == index, g0, jnp.where(k[:-1] == index, g1, 0.0))
        return e_w * own(*kinds[:3]), e_h * own(*kinds[3:]), at_knots

    found = locate(widths, heights, jnp.clip(x, -bound, bound), bound, False, stage=stage)
    edges = stage(_edges, slopes, found.index)
    scales = found.index, found.per_width, found.per_height
    g_x, *of = stage(of_bin, x, *edges, *found[:4], *scales, g_z, g_slope)
    g_raw = stage(of_parameters, found.index, found.e_widths, found.e_heights, *of)
    given = (x, widths, heights, slopes)
    return tuple(_summed(g, part.shape) for g, part in zip((g_x, *g_raw), given, strict=True))


def _summed(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which its value was repeated."""
    axes = [i for i, size in enumerate(shape) if size < g.shape[i]]
    return g.sum(axes, keepdims=True)


def find_bin(
    widths: Array,
    heights: Array,
    slopes: list[Array],
    v: Features,
    bound: float,
    by_height: bool,
) -> tuple[Features, ...]:
    """Return the left edges, sizes and edge slopes of the bins of [−B, B] that hold `v`.

    Raw widths and heights `(bins, …)` by softmax, raw slopes of the bins + 1 knots by softplus,
    all with their floors.
    """
    ndim = v.ndim + 1
    found = locate(align(widths, ndim), align(heights, ndim), v, bound, by_height)
    d0, d1 = (_slope_of(pick(found.index, part)) for part in (slopes[:-1], slopes[1:]))
    return found.x_low, found.y_low, found.width, found.height, d0, d1
