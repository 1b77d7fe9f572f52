"""Monotone splines of linear and of linear rational pieces, with the identity outside."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import bounded_log
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bins import Bin, check_bins, locate, pick

MIN_SHARE = 0.025
"""Least share of a bin on either side of its middle knot: a part that vanishes has no slope."""


class LinearSpline(Transform):
    r"""Bend each feature by a piecewise linear function on [−B, B], identity outside.

    z = y_k + h_k (x − x_k)/w,   dlogp = Σ log(h_k / w),   for x in bin k of K equal bins.

    The density is a step function times the base's. Bin widths are not learned: data that cross
    a knot would make the loss jump.

    Parameters
    ----------
    bins : number of bins, at least 2.
    bound : B; the spline maps [−B, B] onto itself.

    The leaf is raw heights `(bins, …)` (softmax). Zeros give the identity.

    Source muller2019
    """

    heights: Float[Array, "bins ..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, bins: int = 16, bound: float = 5.0):
        check_bins(bins, bound)
        self.heights = jnp.zeros(bins)
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inside = jnp.abs(z) < self.bound
        y = jnp.clip(z, -self.bound, self.bound)
        piece = self._piece(y, by_height=True)
        t = jnp.clip((y - piece.y_low) / piece.height, 0, 1)
        x = jnp.where(inside, piece.x_low + t * piece.width, z)
        return x, _dlogp(inside, piece.height / piece.width)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inside = jnp.abs(x) < self.bound
        v = jnp.clip(x, -self.bound, self.bound)
        piece = self._piece(v, by_height=False)
        t = jnp.clip((v - piece.x_low) / piece.width, 0, 1)
        z = jnp.where(inside, piece.y_low + t * piece.height, x)
        return z, _dlogp(inside, piece.height / piece.width)

    def _piece(self, v: Features, by_height: bool) -> Bin:
        heights = align(self.heights, v.ndim + 1)
        equal = jnp.zeros((heights.shape[0], *(1,) * v.ndim), v.dtype)
        return locate(equal, heights, v, self.bound, by_height)


class LinearRationalSpline(Transform):
    r"""Bend each feature by linear rational pieces on [−B, B], identity outside.

    A bin of width w, height h and edge slopes d₀, d₁ has an inner knot at t = (x − x_k)/w = λ
    with height m; with weights a₀ = 1, a₁ = √(d₀/d₁) and a = (λ d₀ + (1−λ) a₁ d₁) w/h,

    m = λ a₁ h / (1 − λ + λ a₁),
    z − y_k = a m t / (λ − t + a t)                             for t ≤ λ,
    y_{k+1} − z = a (h − m)(1−t) / (a (1−t) + a₁ (t − λ))       for t ≥ λ.

    The slope is continuous, and either direction is one division: all its terms are positive.

    Parameters
    ----------
    bins : number of bins, at least 2.
    bound : B; the spline maps [−B, B] onto itself.

    The leaves are raw widths and heights `(bins, …)` (softmax), raw logs of inner slopes
    `(bins − 1, …)` (within ±3) and raw places of the inner knots `(bins, …)` (sigmoid). Zeros
    give the identity.

    Source dolatabadi2020lrs
    """

    widths: Float[Array, "bins ..."]
    heights: Float[Array, "bins ..."]
    slopes: Float[Array, "inner ..."]
    places: Float[Array, "bins ..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, bins: int = 8, bound: float = 5.0):
        check_bins(bins, bound)
        self.widths, self.heights, self.places = (jnp.zeros(bins) for _ in range(3))
        self.slopes = jnp.zeros(bins - 1)
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inside = jnp.abs(z) < self.bound
        y = jnp.clip(z, -self.bound, self.bound)
        bin_, share, middle, rest, a, a1 = self._parts(y, by_height=True)
        u = jnp.clip((y - bin_.y_low) / bin_.height, 0, 1)
        low = jnp.minimum(u, middle)
        high = jnp.minimum(1 - u, rest)
        below = share * low / (low + a * (middle - low))
        above = a1 * (1 - share) * high / (a1 * high + a * (rest - high))
        t = jnp.where(u < middle, below, 1 - above)
        x = jnp.where(inside, bin_.x_low + t * bin_.width, z)
        return x, _dlogp(inside, self._slope(t, bin_, share, middle, rest, a, a1))

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inside = jnp.abs(x) < self.bound
        v = jnp.clip(x, -self.bound, self.bound)
        bin_, share, middle, rest, a, a1 = self._parts(v, by_height=False)
        t = jnp.clip((v - bin_.x_low) / bin_.width, 0, 1)
        low = jnp.minimum(t, share)
        high = jnp.minimum(1 - t, 1 - share)
        below = a * middle * low / (share - low + a * low)
        above = a * rest * high / (a * high + a1 * (1 - share - high))
        u = jnp.where(t < share, below, 1 - above)
        z = jnp.where(inside, bin_.y_low + u * bin_.height, x)
        return z, _dlogp(inside, self._slope(t, bin_, share, middle, rest, a, a1))

    def _slope(
        self, t: Array, bin_: Bin, share: Array, middle: Array, rest: Array, a: Array, a1: Array
    ) -> Array:
        """Return dz/dx at t: a product of positive terms."""
        low = jnp.minimum(t, share)
        high = jnp.minimum(1 - t, 1 - share)
        below = middle * share * a / (share - low + a * low) ** 2
        above = rest * (1 - share) * a * a1 / (a * high + a1 * (1 - share - high)) ** 2
        return jnp.where(t < share, below, above) * (bin_.height / bin_.width)

    def _parts(self, v: Features, by_height: bool) -> tuple:
        """Return the bin of `v`, λ, m/h, 1 − m/h (which may be tiny), a and a₁."""
        ndim = v.ndim + 1
        widths, heights = align(self.widths, ndim), align(self.heights, ndim)
        bin_ = locate(widths, heights, v, self.bound, by_height)
        raw, places = align(self.slopes, ndim), align(self.places, ndim)
        inner = [jnp.exp(bounded_log(raw[k])) for k in range(raw.shape[0])]
        edge = jnp.ones((), v.dtype)
        d0 = pick(bin_.index, [edge, *inner])
        d1 = pick(bin_.index, [*inner, edge])
        place = pick(bin_.index, [places[k] for k in range(places.shape[0])])
        share = MIN_SHARE + (1 - 2 * MIN_SHARE) * jax.nn.sigmoid(place)
        a1 = jnp.sqrt(d0 / d1)
        total = 1 - share + share * a1
        middle, rest = share * a1 / total, (1 - share) / total
        a = (share * d0 + (1 - share) * a1 * d1) * (bin_.width / bin_.height)
        return bin_, share, middle, rest, a, a1


def _dlogp(inside: Array, slope: Array) -> DLogp:
    return jnp.where(inside, jnp.log(slope), 0.0).sum(0)
