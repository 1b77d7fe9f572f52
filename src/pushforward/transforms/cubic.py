"""The monotone cubic spline, with linear tails."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.evidence import Evidence
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bins import Bin, check_bins, locate, pick

MIN_SHARE = 0.1
"""Least slope at a knot, in units of the lesser slope h/w of the two bins there."""

LEAST = 0.25
"""Least width and height of a bin, in units of equal ones. A cubic that ends in a piece much
flatter than itself ends like a square, whose root has half the digits; so pieces that meet
differ by no more than (4 bins)² in slope."""

MAX_SHARE = 2.9
"""Greatest slope at a knot in those units. At 3 a piece may be flat in its middle (Fritsch and
Carlson); at 2.9 its slope is at least 0.05 h/w there, which float32 tells from zero."""

_UNIT_SHARE = math.log((1 - MIN_SHARE) / (MAX_SHARE - 1))


class CubicSpline(Transform):
    r"""Bend each feature by a monotone cubic spline on [−B, B], with linear tails.

    In a bin of width w and height h, with s = h/w, edge slopes αs, βs and t = (x − x_k)/w,

    z − y_k = h (α t (1−t)² + (3−β) t² (1−t) + t³),
    dz/dx = s (α (1−t)² + 2 (3−α−β) t (1−t) + β t²).

    Both slopes stay below 3 times the lesser s of the bins that meet at a knot, which keeps
    every piece increasing. The tails go on with the slopes of the ends.

    `inverse` (data → latent) evaluates this; `forward` solves the cubic of the right bin.

    Parameters
    ----------
    bins : number of bins, at least 2.
    bound : B; the spline maps [−B, B] onto itself.

    The leaves are raw widths and heights `(bins, …)` (softmax) and raw slopes `(bins + 1, …)`
    (sigmoid). Zeros give the identity.

    Cost of `forward`: about six evaluations of one cubic. Source durkan2019cubic, fritsch1980
    """

    widths: Float[Array, "bins ..."]
    heights: Float[Array, "bins ..."]
    slopes: Float[Array, "knots ..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, bins: int = 8, bound: float = 5.0):
        check_bins(bins, bound)
        self.widths, self.heights = jnp.zeros(bins), jnp.zeros(bins)
        self.slopes = jnp.zeros(bins + 1)
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        y = jnp.clip(z, -self.bound, self.bound)
        bin_, alpha, beta = self._bin(y, by_height=True)
        target = jnp.clip((y - bin_.y_low) / bin_.height, 0, 1)
        t = jnp.clip(solve_increasing(lambda t: _unit(t, alpha, beta), target), 0, 1)
        # Beyond the box the slope is that of the very edge: a flat cubic's is lost to its rounding.
        t = jnp.where(z <= -self.bound, 0.0, jnp.where(z >= self.bound, 1.0, t))
        slope = _slope(t, alpha, beta) * (bin_.height / bin_.width)
        return bin_.x_low + t * bin_.width + (z - y) / slope, jnp.log(slope).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        v = jnp.clip(x, -self.bound, self.bound)
        bin_, alpha, beta = self._bin(v, by_height=False)
        t = jnp.clip((v - bin_.x_low) / bin_.width, 0, 1)
        slope = _slope(t, alpha, beta) * (bin_.height / bin_.width)
        z = bin_.y_low + bin_.height * _unit(t, alpha, beta) + slope * (x - v)
        return z, jnp.log(slope).sum(0)

    def _bin(self, v: Features, by_height: bool) -> tuple[Bin, Array, Array]:
        """Return the bin that holds `v`, and its edge slopes in units of its own h/w."""
        ndim = v.ndim + 1
        widths, heights = align(self.widths, ndim), align(self.heights, ndim)
        bin_ = locate(widths, heights, v, self.bound, by_height, LEAST / self.widths.shape[0])
        s = [h / w for h, w in zip(bin_.heights, bin_.widths, strict=True)]
        lesser = [jnp.minimum(one, two) for one, two in zip(s, s[1:], strict=False)]
        raw = align(self.slopes, ndim)
        share = MIN_SHARE + (MAX_SHARE - MIN_SHARE) * jax.nn.sigmoid(raw + _UNIT_SHARE)
        slopes = [share[k] * least for k, least in enumerate([s[0], *lesser, s[-1]])]
        own = bin_.height / bin_.width
        # Rounding must not lift a share of the own slope above its bound.
        alpha = jnp.minimum(pick(bin_.index, slopes[:-1]) / own, MAX_SHARE)
        beta = jnp.minimum(pick(bin_.index, slopes[1:]) / own, MAX_SHARE)
        return bin_, alpha, beta


def _unit(t: Array, alpha: Array, beta: Array) -> Array:
    """Return the height in the bin, 0 to 1, at t; linear outside the bin. No term is negative."""
    v = jnp.clip(t, 0, 1)
    o = 1 - v
    inside = alpha * v * o * o + (3 - beta) * v * v * o + v * v * v
    return inside + _slope(v, alpha, beta) * (t - v)


def _slope(t: Array, alpha: Array, beta: Array) -> Array:
    """Return d unit / dt > 0 for 0 ≤ t ≤ 1.

    It is linear in α and in β, so least at a corner of their box: 1.5 − MAX_SHARE/2 where both are
    greatest, and nowhere else below the lesser of the two.
    """
    o = 1 - t
    return alpha * o * o + 2 * (3 - alpha - beta) * t * o + beta * t * t
