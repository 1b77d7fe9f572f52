"""Scalar transforms to and from half lines and the interval."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import log_cosh
from pushforward.core.types import Context, DLogp, Features, Key


class Log(Transform):
    """Take the logarithm of a positive latent: x = log z, dlogp = Σ x.

    The latent's density must live on the positives: `Pushforward` refuses one of the whole line,
    and a negative latent has no image (NaN). Where exp x is more than a float can hold, dlogp
    is −inf.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = _log_of_latent(z)
        return x, x.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, beyond = _exp_in_range(x)
        return z, jnp.where(beyond, -jnp.inf, x).sum(0)


class Power(Transform):
    """Raise a positive latent to a fixed power: x = z^p > 0, dlogp = −Σ (log |p| + (p − 1) log z).

    The latent's density must live on the positives: `Pushforward` refuses one of the whole line,
    and a negative latent has no image (NaN). At or below zero, and where z is more than a float
    can hold, dlogp is −inf. A negative power turns the half line around.

    Parameters
    ----------
    exponent : p, not zero.

    Source papamakarios2021flows
    """

    exponent: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "positive"

    def __init__(self, exponent: float | int):
        self.exponent = float(exponent)

    def __check_init__(self) -> None:
        if not (math.isfinite(self.exponent) and self.exponent != 0):
            raise OptionError(f"exponent {self.exponent}", "a finite number other than zero")

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        log_z = _log_of_latent(z)
        return _exp_in_range(self.exponent * log_z)[0], self._dlogp(log_z).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = x < _tiny(x)
        log_z = jnp.log(jnp.where(outside, 1.0, x)) / self.exponent
        z, beyond = _exp_in_range(log_z)
        return z, jnp.where(outside | beyond, -jnp.inf, self._dlogp(log_z)).sum(0)

    def _dlogp(self, log_z: Array) -> Array:
        return (1 - self.exponent) * log_z - math.log(abs(self.exponent))


class Softplus(Transform):
    """Bend to the positives: x = log(1 + exp z) > 0, dlogp = −Σ log(1 − exp(−x)).

    Unlike `Exp` it is the identity for large z, so that tails keep their weight. At or below
    zero dlogp is −inf.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "positive"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jax.nn.softplus(z), jax.nn.softplus(-z).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = x < _tiny(x)
        inside = jnp.where(outside, 1.0, x)
        # log(eˣ − 1) − x, which neither overflows for large x nor cancels for small.
        below = jnp.log(-jnp.expm1(-inside))
        return inside + below, jnp.where(outside, -jnp.inf, -below).sum(0)


class Tanh(Transform):
    """Squash to the interval: x = tanh z in (−1, 1), dlogp = −Σ log(1 − x²) = 2 Σ log cosh z.

    At or outside the edges dlogp is −inf. Near them a float32 x carries few digits of 1 − |x|.

    Source papamakarios2021flows
    """

    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "interval"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        # The last float inside, so that no sample falls on the edge, where its density is zero.
        last = 1 - float(jnp.finfo(z.dtype).epsneg)
        return jnp.clip(jnp.tanh(z), -last, last), 2 * log_cosh(z).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = (x <= -1) | (x >= 1)
        inside = jnp.where(outside, 0.0, x)
        low, high = jnp.log1p(inside), jnp.log1p(-inside)
        return (low - high) / 2, jnp.where(outside, -jnp.inf, -low - high).sum(0)


def _tiny(event: Features) -> float:
    """Return the least float with all its digits; XLA takes smaller ones for zero."""
    return float(jnp.finfo(event.dtype).tiny)


def log_range(event: Features) -> tuple[float, float]:
    """Return the logarithms between which exp neither vanishes nor overflows, with some room."""
    info = jnp.finfo(event.dtype)
    return math.log(float(info.tiny)) + 1, math.log(float(info.max)) - 1


def _log_of_latent(z: Features) -> Features:
    """Return log z; zero, which a uniform base can draw, counts as the least float."""
    return jnp.where(z < 0, jnp.nan, jnp.log(jnp.maximum(z, _tiny(z))))


def _exp_in_range(log_value: Features) -> tuple[Features, Array]:
    """Return exp within the floats, and where it would have overflowed."""
    low, high = log_range(log_value)
    return jnp.exp(jnp.clip(log_value, low, high)), log_value > high
