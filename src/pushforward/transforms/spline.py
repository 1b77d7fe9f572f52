"""The monotone rational-quadratic spline, with linear tails of slope one."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bins import check_bins, locate, pick
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
        inside = jnp.abs(x) < self.bound
        v = jnp.clip(x, -self.bound, self.bound)
        x_low, y_low, width, height, d0, d1 = self._bin(v, by_height=False)
        s = height / width
        t = jnp.clip((v - x_low) / width, 0, 1)
        z = jnp.where(inside, y_low + rise(t, height, s, d0, d1), x)
        return z, jnp.where(inside, jnp.log(slope(t, s, d0, d1)), 0.0).sum(0)

    def _bin(self, v: Features, by_height: bool) -> tuple[Features, ...]:
        """Return the left edges, sizes and edge slopes of the bins that hold `v`."""
        raw = align(self.slopes, v.ndim + 1)
        edge = jnp.full((), UNIT_SLOPE, v.dtype)
        slopes = [edge, *(raw[k] + UNIT_SLOPE for k in range(raw.shape[0])), edge]
        return find_bin(self.widths, self.heights, slopes, v, self.bound, by_height)


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
