"""Scalar transforms: each feature on its own; all of them serve as templates."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import (
    MAX_LOG_SCALE,
    bounded,
    checked_scale,
    log_cosh,
    positive,
    positive_inverse,
)
from pushforward.core.types import Context, DLogp, Features, Key


class Affine(Transform):
    r"""Shift and scale.

    x = μ + σ z,   dlogp = −Σ log σ,   σ = `positive(raw_scale)` > 0.

    Parameters
    ----------
    loc, raw_scale : free parameters, shape `()` (shared) or `(dim,)`. Zeros give the identity.

    Source dinh2017realnvp
    """

    loc: Float[Array, "..."]
    raw_scale: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, loc: object = 0.0, scale: object = 1.0):
        dtype = jnp.result_type(float)
        self.loc = jnp.asarray(loc, dtype)
        self.raw_scale = positive_inverse(
            checked_scale(jnp.asarray(scale, dtype), "scale", "SignedAffine, for negative ones")
        )

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        scale = positive(align(self.raw_scale, z.ndim))
        x = align(self.loc, z.ndim) + scale * z
        return x, -_sum_over_event(jnp.log(scale), z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        scale = positive(align(self.raw_scale, x.ndim))
        z = (x - align(self.loc, x.ndim)) / scale
        return z, -_sum_over_event(jnp.log(scale), x)


class BoundedAffine(Transform):
    r"""Shift and scale, with a scale that no net's output can make extreme.

    x = μ + σ z,   dlogp = −Σ log σ,   log σ = L tanh(raw_log_scale / L).

    The template of affine coupling and autoregressive layers: however far its inputs lie, a
    layer neither overflows float32 nor loses what its inverse needs.

    Zeros give the identity.

    Parameters
    ----------
    limit : the largest |log σ|, L, in (0, 3].

    Source dinh2017realnvp
    """

    loc: Float[Array, "..."]
    raw_log_scale: Float[Array, "..."]
    limit: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, limit: float = MAX_LOG_SCALE):
        if not 0 < limit <= MAX_LOG_SCALE:
            raise OptionError(f"limit={limit}", f"a number in (0, {MAX_LOG_SCALE:g}]")
        self.loc, self.raw_log_scale = jnp.zeros(()), jnp.zeros(())
        self.limit = float(limit)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        log_scale = self._log_scale(z.ndim)
        x = align(self.loc, z.ndim) + jnp.exp(log_scale) * z
        return x, -_sum_over_event(log_scale, z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        log_scale = self._log_scale(x.ndim)
        z = (x - align(self.loc, x.ndim)) * jnp.exp(-log_scale)
        return z, -_sum_over_event(log_scale, x)

    def _log_scale(self, ndim: int) -> Float[Array, "..."]:
        return bounded(align(self.raw_log_scale, ndim), self.limit)


class Shift(Transform):
    """Shift: x = z + loc, dlogp = 0. The template of additive coupling layers.

    Zero is the identity. Source dinh2015nice
    """

    loc: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self):
        self.loc = jnp.zeros(())

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return z + align(self.loc, z.ndim), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return x - align(self.loc, x.ndim), jnp.zeros(x.shape[1:], x.dtype)


class Exp(Transform):
    """Exponentiate: x = exp z > 0, dlogp = −Σ z. At or below zero dlogp is −inf.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "positive"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.exp(z), -z.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = x <= 0
        z = jnp.log(jnp.where(outside, 1.0, x))
        return z, jnp.where(outside, -jnp.inf, -z).sum(0)


class Sigmoid(Transform):
    """Squash to the unit interval: x = 1/(1 + exp(−z)), dlogp = −Σ (log x + log(1 − x)).

    At or outside the edges dlogp is −inf. Near x = 1 a float32 x carries few digits of 1 − x.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "unit_interval"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jax.nn.sigmoid(z), (jax.nn.softplus(z) + jax.nn.softplus(-z)).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = (x <= 0) | (x >= 1)
        inside = jnp.where(outside, 0.5, x)
        low, high = jnp.log(inside), jnp.log1p(-inside)
        return low - high, jnp.where(outside, -jnp.inf, -low - high).sum(0)


class Sinh(Transform):
    """Stretch both tails: x = sinh z, z = arcsinh x, dlogp = −Σ log cosh z.

    Tames heavy tails: |x| up to the largest float gives |z| below 90 (float32).

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.sinh(z), -log_cosh(z).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z = jnp.arcsinh(x)
        return z, -log_cosh(z).sum(0)


def _sum_over_event(value: Float[Array, "..."], event: Features) -> DLogp:
    return jnp.broadcast_to(value, event.shape).sum(0)
