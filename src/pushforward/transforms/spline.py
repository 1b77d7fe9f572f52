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
from pushforward.core.swapped import swapped
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
        inside = jnp.abs(z) < self.bound
        y = jnp.clip(z, -self.bound, self.bound)
        x_low, y_low, width, height, d0, d1 = self._bin(y, by_height=True)
        s = height / width
        t = solve(jnp.clip(y - y_low, 0, height), height, s, d0, d1)
        x = jnp.where(inside, x_low + t * width, z)
        return x, jnp.where(inside, jnp.log(slope(t, s, d0, d1)), 0.0).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        raw = (align(part, x.ndim + 1) for part in (self.widths, self.heights, self.slopes))
        z, log_slope = _evaluation(self.bound)(x, *raw)
        return z, log_slope.sum(0)

    def _bin(self, v: Features, by_height: bool) -> tuple[Features, ...]:
        """Return the left edges, sizes and edge slopes of the bins that hold `v`."""
        slopes = _all_slopes(align(self.slopes, v.ndim + 1), v)
        return find_bin(self.widths, self.heights, slopes, v, self.bound, by_height)


def _all_slopes(inner: Array, v: Features) -> list[Array]:
    """Return the raw slopes of all knots: of slope one at both ends."""
    edge = jnp.full((), UNIT_SLOPE, v.dtype)
    return [edge, *(inner[k] + UNIT_SLOPE for k in range(inner.shape[0])), edge]


@functools.lru_cache
def _evaluation(bound: float) -> Callable[..., tuple[Array, ...]]:
    """Return (x, widths, heights, slopes) ↦ z and its log slope, with a gradient in closed form."""
    return swapped(
        functools.partial(_evaluate, bound), gradient=functools.partial(_evaluate_gradient, bound)
    )


def _evaluate(
    bound: float, x: Features, widths: Array, heights: Array, slopes: Array
) -> tuple[Array, Array]:
    inside = jnp.abs(x) < bound
    v = jnp.clip(x, -bound, bound)
    x_low, y_low, width, height, d0, d1 = find_bin(
        widths, heights, _all_slopes(slopes, v), v, bound, False
    )
    s = height / width
    t = jnp.clip((v - x_low) / width, 0, 1)
    z = jnp.where(inside, y_low + rise(t, height, s, d0, d1), x)
    return z, jnp.where(inside, jnp.log(slope(t, s, d0, d1)), 0.0)


def _evaluate_gradient(
    bound: float,
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
    inside = jnp.abs(x) < bound
    v = jnp.clip(x, -bound, bound)
    found = locate(widths, heights, v, bound, False)
    raw = _all_slopes(slopes, v)
    raw0, raw1 = pick(found.beyond, raw[:-1]), pick(found.beyond, raw[1:])
    d0, d1 = jax.nn.softplus(raw0) + MIN_SLOPE, jax.nn.softplus(raw1) + MIN_SLOPE
    g_z_in, g_slope_in = jnp.where(inside, g_z, 0.0), jnp.where(inside, g_slope, 0.0)
    per, h = 1 / found.width, found.height
    s = h * per
    t = jnp.clip((v - found.x_low) * per, 0, 1)
    o = 1 - t
    tt = t * o
    u = d0 + d1 - 2 * s
    under = 1 / (s + u * tt)
    share = (s * t * t + d0 * tt) * under
    grown = g_z_in * h * under
    g_num = g_slope_in / (d1 * t * t + 2 * s * tt + d0 * o * o)
    g_den = -grown * share - 2 * g_slope_in * under
    g_s = grown * t * t + g_den * (1 - 2 * tt) + 2 * g_num * tt + 2 * g_slope_in / s
    g_d0 = (grown + g_den) * tt + g_num * o * o
    g_d1 = g_den * tt + g_num * t * t
    g_tt = grown * d0 + g_den * u + 2 * g_num * s
    g_t = g_tt * (1 - 2 * t) + 2 * grown * s * t + 2 * g_num * (d1 * t - d0 * o)
    g_x = g_t * per
    index = sum(passed.astype(v.dtype) for passed in found.beyond)
    lows = (-g_x, found.x_low, -(g_t * t + g_s * s) * per, found.width, found.widths)
    highs = (g_z_in, found.y_low, g_z_in * share + g_s * per, h, found.heights)
    floor = 2 * bound * MIN_BIN
    room = 2 * bound - bins * floor
    g_raw = []
    for g_low, low, g_size, size, sizes in (lows, highs):
        mean = (g_low * (low + bound - floor * index) + g_size * (size - floor)) / room
        # Bins before the value's move its edge, its own its size, those after only the sum.
        kinds = (g_low - mean, g_size - mean, -mean)
        before = [*found.beyond, jnp.zeros_like(inside)]
        after = [jnp.zeros_like(inside), *(~passed for passed in found.beyond)]
        g_raw.append(
            jnp.stack(
                [
                    (part - floor) * jnp.where(b, kinds[0], jnp.where(a, kinds[2], kinds[1]))
                    for part, b, a in zip(sizes, before, after, strict=True)
                ]
            )
        )
    g0, g1 = g_d0 * jax.nn.sigmoid(raw0), g_d1 * jax.nn.sigmoid(raw1)
    beyond = [*found.beyond, jnp.zeros_like(inside)]
    # Inner knot k is the left edge of bin k + 1 and the right edge of bin k.
    g_raw.append(
        jnp.stack(
            [
                jnp.where(beyond[k], jnp.where(beyond[k + 1], 0.0, g0), 0.0)
                + jnp.where(beyond[k], 0.0, g1 if k == 0 else jnp.where(beyond[k - 1], g1, 0.0))
                for k in range(bins - 1)
            ]
        )
    )
    given = (widths, heights, slopes)
    return (
        jnp.where(inside, g_x, g_z),
        *(_summed(g, part.shape) for g, part in zip(g_raw, given, strict=True)),
    )


def _summed(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which its value was repeated."""
    lead = g.ndim - len(shape)
    axes = [i for i, size in enumerate(shape) if size == 1 and g.shape[lead + i] > 1]
    return g.sum(tuple(lead + i for i in axes), keepdims=True)


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
    d0 = jax.nn.softplus(pick(found.beyond, slopes[:-1])) + MIN_SLOPE
    d1 = jax.nn.softplus(pick(found.beyond, slopes[1:])) + MIN_SLOPE
    return found.x_low, found.y_low, found.width, found.height, d0, d1
