"""Maps of the circle and of an interval onto themselves: splines with free slopes at the ends."""

import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bins import MIN_BIN
from pushforward.transforms.rational_quadratic import rise, slope, solve
from pushforward.transforms.spline import UNIT_SLOPE, find_bin


def encoded(angles: Features, periodic: bool) -> Features:
    """Return what a net is given: cosines, then sines, of angles; other features as they are."""
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)]) if periodic else angles


def off_circle(angles: Features) -> Array:
    """Tell which angles lie beyond [−π, π]."""
    return jnp.abs(angles) > math.pi


def wrap(angle: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the angle in [−π, π] that is a whole number of turns away."""
    turns = jnp.round(angle / (2 * math.pi))
    # The clip only removes rounding: a layer or base must not find the angle outside.
    return jnp.clip(angle - 2 * math.pi * turns, -math.pi, math.pi)


class CircularSpline(Transform):
    r"""Bend the circle by a rational-quadratic spline with one slope at both ends, then turn it.

    z = (s(x) + φ) mod 2π,   dlogp = Σ log s′(x),   angles in [−π, π].

    s maps [−π, π] onto itself and its slopes at −π and π agree, so that the map and its
    derivative are continuous on the circle. Beyond [−π, π] dlogp is −inf: bring other angles
    into it first (`wrap`).

    `inverse` (data → latent) evaluates this; `forward` solves the quadratic.

    Parameters
    ----------
    bins : number of bins, at least 2.

    The leaves are raw widths, heights and slopes `(bins, …)` and the phase φ; trailing axes
    align with the event. Zeros give the identity. Source rezende2020tori, durkan2019nsf
    """

    widths: Float[Array, "bins ..."]
    heights: Float[Array, "bins ..."]
    slopes: Float[Array, "bins ..."]
    phase: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "circle"

    def __init__(self, bins: int = 8):
        _check_bins(bins)
        self.widths, self.heights, self.slopes = (jnp.zeros(bins) for _ in range(3))
        self.phase = jnp.zeros(())

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        y = wrap(jnp.clip(z, -math.pi, math.pi) - self._phase(z.ndim))
        x, log_slope = _solved(y, self._bin(y, True), math.pi)
        return x, jnp.where(off_circle(z), -jnp.inf, log_slope).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        v = jnp.clip(x, -math.pi, math.pi)
        y, log_slope = _evaluated(v, self._bin(v, False))
        z = wrap(y + self._phase(x.ndim))
        return z, jnp.where(off_circle(x), -jnp.inf, log_slope).sum(0)

    def _bin(self, v: Features, by_height: bool) -> tuple[Features, ...]:
        raw = align(self.slopes, v.ndim + 1)
        slopes = [raw[k] + UNIT_SLOPE for k in (*range(raw.shape[0]), 0)]
        return find_bin(self.widths, self.heights, slopes, v, math.pi, by_height)

    def _phase(self, ndim: int) -> Array:
        # Many turns are taken off first: both directions then add the same small number.
        return wrap(align(self.phase, ndim))


class IntervalSpline(Transform):
    r"""Bend [−B, B] onto itself by a rational-quadratic spline with free slopes at the ends.

    z = s(x),   dlogp = Σ log s′(x). Beyond [−B, B] dlogp is −inf.

    `inverse` (data → latent) evaluates this; `forward` solves the quadratic.

    Parameters
    ----------
    bins : number of bins, at least 2.
    bound : B.

    The leaves are raw widths and heights `(bins, …)` and slopes `(bins + 1, …)`; trailing axes
    align with the event. Zeros give the identity. Source durkan2019nsf, rezende2020tori
    """

    widths: Float[Array, "bins ..."]
    heights: Float[Array, "bins ..."]
    slopes: Float[Array, "knots ..."]
    bound: float = eqx.field(static=True)
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "closed_interval"

    def __init__(self, bins: int = 8, bound: float = 1.0):
        _check_bins(bins)
        if not bound > 0:
            raise OptionError(f"bound={bound}", "bound > 0")
        self.widths, self.heights = jnp.zeros(bins), jnp.zeros(bins)
        self.slopes = jnp.zeros(bins + 1)
        self.bound = bound

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        y = jnp.clip(z, -self.bound, self.bound)
        x, log_slope = _solved(y, self._bin(y, True), self.bound)
        return x, jnp.where(jnp.abs(z) > self.bound, -jnp.inf, log_slope).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        v = jnp.clip(x, -self.bound, self.bound)
        y, log_slope = _evaluated(v, self._bin(v, False))
        z = jnp.clip(y, -self.bound, self.bound)
        return z, jnp.where(jnp.abs(x) > self.bound, -jnp.inf, log_slope).sum(0)

    def _bin(self, v: Features, by_height: bool) -> tuple[Features, ...]:
        raw = align(self.slopes, v.ndim + 1)
        slopes = [raw[k] + UNIT_SLOPE for k in range(raw.shape[0])]
        return find_bin(self.widths, self.heights, slopes, v, self.bound, by_height)


def _check_bins(bins: int) -> None:
    if bins < 2 or bins * MIN_BIN >= 1:
        raise OptionError(f"bins={bins}", "2 ≤ bins < 1000")


def _evaluated(v: Features, found: tuple[Features, ...]) -> tuple[Features, Features]:
    """Return the spline's value and log slope at `v`, which lies in the bin found."""
    x_low, y_low, width, height, d0, d1 = found
    s = height / width
    t = jnp.clip((v - x_low) / width, 0, 1)
    return y_low + rise(t, height, s, d0, d1), jnp.log(slope(t, s, d0, d1))


def _solved(y: Features, found: tuple[Features, ...], bound: float) -> tuple[Features, Features]:
    """Return where the spline takes the value `y`, and its log slope there."""
    x_low, y_low, width, height, d0, d1 = found
    s = height / width
    t = solve(jnp.clip(y - y_low, 0, height), height, s, d0, d1)
    # The clip only removes rounding: the next layer must not find x outside.
    return jnp.clip(x_low + t * width, -bound, bound), jnp.log(slope(t, s, d0, d1))
