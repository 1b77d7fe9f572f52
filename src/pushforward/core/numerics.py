"""Arithmetic that stays finite: make the input safe first, compute, then select."""

import math

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from pushforward.core.errors import OptionError

LOG_2PI = math.log(2 * math.pi)

MIN_SCALE = 1e-3
"""Floor of every learned scale: below it a float32 inverse loses all but three digits."""

_UNIT_OFFSET = math.log(math.expm1(1 - MIN_SCALE))


_LOG_2 = math.log(2)
_NEWTON_STEPS = 6
"""Enough for float64 from log ½ to −10¹⁰: the first guess is off by less than one."""

_FAR, _FRACTIONS = 5.0, 24
"""Where the hazard's fraction takes over; so many terms are exact to 1e-13 from there on."""


def positive(raw: Float[Array, "..."]) -> Float[Array, "..."]:
    """Map a free parameter to a positive scale: softplus, shifted so that zero gives one.

    Grows linearly rather than exponentially, so that a large network output stays invertible
    in float32.
    """
    return jax.nn.softplus(raw + _UNIT_OFFSET) + MIN_SCALE


def checked_scale(scale: Float[Array, "..."], name: str, fix: str = "") -> Float[Array, "..."]:
    """Return a scale that `positive` can represent, or say which one it cannot."""
    if not isinstance(scale, Tracer) and not bool((scale > MIN_SCALE).all()):
        raise OptionError(
            f"{name} with entries down to {scale.min():g}",
            f"above {MIN_SCALE:g}",
            fix,
        )
    return scale


def positive_inverse(scale: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the free parameter that `positive` maps to `scale` (clipped just above the floor)."""
    excess = jnp.maximum(scale - MIN_SCALE, 1e-6)
    return excess + jnp.log(-jnp.expm1(-excess)) - _UNIT_OFFSET


MAX_LOG_SCALE = 3.0
"""Largest |log σ| of a bounded scale: e³ ≈ 20 a layer, and layers multiply."""


def bounded(raw: Float[Array, "..."], limit: float) -> Float[Array, "..."]:
    """Map a free parameter into ±limit: zero gives zero, with slope one."""
    return limit * jnp.tanh(raw / limit)


def bounded_log(raw: Float[Array, "..."]) -> Float[Array, "..."]:
    """Map a free parameter to the log of a scale that no net's output can make extreme."""
    return bounded(raw, MAX_LOG_SCALE)


def log_cosh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return log cosh x without overflow."""
    size = jnp.abs(x)
    return size + jnp.log1p(jnp.exp(-2 * size)) - math.log(2)


def norm(x: Float[Array, "dim ..."]) -> Float[Array, "..."]:
    """Return the length along the first axis, without overflow; its slope at zero is zero."""
    size = jnp.maximum(jax.lax.stop_gradient(jnp.abs(x).max(0)), float(jnp.finfo(x.dtype).tiny))
    square = jnp.square(x / size).sum(0)
    zero = square == 0
    return size * jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, square)))


@jax.custom_jvp
def log_ndtr_inverse(log_p: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the z with log Φ(z) = log_p ≤ log ½: no probability is formed, so none underflows.

    Newton steps on log Φ, which is concave, from −√(−2 log_p): quadratic, and never past the
    root from the left.
    """
    target = jnp.minimum(log_p, -_LOG_2)
    z = -jnp.sqrt(-2 * target - _LOG_2)
    for _ in range(_NEWTON_STEPS):
        z = z - (log_ndtr(z) - target) / normal_hazard(-z)
    return z


@log_ndtr_inverse.defjvp
def _log_ndtr_inverse_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (log_p,), (change,) = primals, tangents
    z = log_ndtr_inverse(log_p)
    return z, change / normal_hazard(-z)


def normal_hazard(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return φ(t)/Φ(−t); far out by Laplace's continued fraction t + 1/(t + 2/(t + …)).

    Source abramowitz1964
    """
    far = t > _FAR
    near = jnp.where(far, 0.0, t)
    direct = jnp.exp(-0.5 * near * near - 0.5 * LOG_2PI - log_ndtr(-near))
    t = jnp.where(far, t, _FAR)
    tail = t
    for k in range(_FRACTIONS, 0, -1):
        tail = t + k / tail
    return jnp.where(far, tail, direct)
