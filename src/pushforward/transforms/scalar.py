"""More scalar transforms of the whole line: kinks, powers, and maps that turn it around."""

from typing import ClassVar

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import checked_scale, positive, positive_inverse
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bounded import log_range

MIN_POWER = 0.1
"""Least power of a `YeoJohnson`: latents up to 1e4 then have images that float32 can hold."""


class LeakyRelu(Transform):
    r"""Shrink or stretch what lies below zero.

    x = z where z ≥ 0 and x = a z where z < 0,   dlogp = −log a for each z < 0,   a > 0.

    Parameters
    ----------
    slope : starting value of a, shape `()` (shared) or `(dim,)`. `Frozen` keeps it fixed. Zero
        for the free parameter is a = 1, the identity.

    Source papamakarios2021flows
    """

    raw_slope: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, slope: object = 0.1):
        given = jnp.asarray(slope, jnp.result_type(float))
        self.raw_slope = positive_inverse(checked_scale(given, "slope"))

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        slope, below = positive(align(self.raw_slope, z.ndim)), z < 0
        return jnp.where(below, slope * z, z), -jnp.where(below, jnp.log(slope), 0 * z).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        slope, below = positive(align(self.raw_slope, x.ndim)), x < 0
        return jnp.where(below, x / slope, x), -jnp.where(below, jnp.log(slope), 0 * x).sum(0)


class SignedAffine(Transform):
    r"""Shift and scale by any number but zero: X = aZ + b.

    x = μ + a σ z,   dlogp = −Σ (log |a| + log σ),   σ = `positive(raw_scale)` > 0.

    a is the scale given and stays; σ starts at one and is learned, so that a negative scale
    stays negative, and the smallest or largest is as easy to learn as one.

    Parameters
    ----------
    loc, scale : μ and a, shape `()` (shared) or `(dim,)`.

    Source papamakarios2021flows
    """

    loc: Float[Array, "..."]
    raw_scale: Float[Array, "..."]
    scale: Buffer
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, loc: object = 0.0, scale: object = -1.0):
        dtype = jnp.result_type(float)
        self.loc, given = jnp.asarray(loc, dtype), jnp.asarray(scale, dtype)
        usable = jnp.isfinite(given) & (given != 0)
        if not isinstance(usable, Tracer) and not bool(usable.all()):
            raise OptionError(f"scale {given}", "finite numbers other than zero")
        self.raw_scale, self.scale = jnp.zeros_like(given), Buffer(given)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        scale = self._scale(z.ndim)
        return align(self.loc, z.ndim) + scale * z, self._dlogp(scale, z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        scale = self._scale(x.ndim)
        return (x - align(self.loc, x.ndim)) / scale, self._dlogp(scale, x)

    def _scale(self, ndim: int) -> Array:
        return align(self.scale.value, ndim) * positive(align(self.raw_scale, ndim))

    def _dlogp(self, scale: Array, event: Features) -> DLogp:
        return -jnp.broadcast_to(jnp.log(jnp.abs(scale)), event.shape).sum(0)


class Negate(Transform):
    """Turn around: x = −z, dlogp = 0. Before or after an increasing map it makes a decreasing one.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return -z, jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return -x, jnp.zeros(x.shape[1:], x.dtype)


class YeoJohnson(Transform):
    r"""Bend both half lines by learned powers, which makes a skewed column symmetric.

    z = sign(x) ((1 + |x|)^p − 1)/p,   dlogp = Σ (p − 1) log(1 + |x|),
    p = λ where x ≥ 0 and 2 − λ where x < 0,   λ = 1 + (1 − m) tanh(raw) in (m, 2 − m).

    A power made a bijection of the whole line, with a slope of one at zero.

    Zeros give the identity, λ = 1. Source yeo2000power
    """

    raw: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self):
        self.raw = jnp.zeros(())

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        sign, power = self._side(z)
        log_size = jnp.log1p(power * sign * z) / power
        largest = log_range(z)[1]
        return sign * jnp.expm1(jnp.minimum(log_size, largest)), ((power - 1) * log_size).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        sign, power = self._side(x)
        log_size = jnp.log1p(sign * x)
        return sign * jnp.expm1(power * log_size) / power, ((power - 1) * log_size).sum(0)

    def _side(self, event: Features) -> tuple[Array, Array]:
        """Return the sign of each value and the power of its half line."""
        sign = jnp.where(event < 0, -1.0, jnp.ones_like(event))
        return sign, 1 + sign * (1 - MIN_POWER) * jnp.tanh(align(self.raw, event.ndim))
