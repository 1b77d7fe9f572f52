"""The monotone rational-quadratic spline, with linear tails of slope one."""

import functools
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.rational_quadratic import rise, slope, solve

MIN_BIN = 1e-3
"""Least bin width and height as a share of the box, so that no slope h/w leaves [1e-3, 1e3]."""

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
        if bins < 2 or bins * MIN_BIN >= 1 or not bound > 0:
            raise OptionError(f"bins={bins}, bound={bound}", "2 ≤ bins < 1000 and bound > 0")
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
    bins = widths.shape[0]
    ndim = v.ndim + 1
    floor = 2 * bound * MIN_BIN
    room = 2 * bound * (1 - bins * MIN_BIN)
    w, w_unit = _softmax_parts(align(widths, ndim), room)
    h, h_unit = _softmax_parts(align(heights, ndim), room)
    sizes, unit = (h, h_unit) if by_height else (w, w_unit)
    beyond = _passed_knots(v + bound, sizes, unit, floor)
    index = _total([p.astype(jnp.int32) for p in beyond])
    passed = floor * index.astype(v.dtype) - bound
    x_low = passed + w_unit * _total(
        [jnp.where(p, v, 0.0) for p, v in zip(beyond, w, strict=False)]
    )
    y_low = passed + h_unit * _total(
        [jnp.where(p, v, 0.0) for p, v in zip(beyond, h, strict=False)]
    )
    width = floor + w_unit * _pick(beyond, w)
    height = floor + h_unit * _pick(beyond, h)
    d0 = jax.nn.softplus(_pick(beyond, slopes[:-1])) + MIN_SLOPE
    d1 = jax.nn.softplus(_pick(beyond, slopes[1:])) + MIN_SLOPE
    return x_low, y_low, width, height, d0, d1


def _softmax_parts(raw: Array, room: float) -> tuple[list[Array], Array]:
    """Return exp(raw − max) per bin and the factor that makes them sum to `room`."""
    top = jax.lax.stop_gradient(raw.max(0))
    parts = [jnp.exp(raw[k] - top) for k in range(raw.shape[0])]
    return parts, room / _total(parts)


def _total(parts: list[Array]) -> Array:
    return functools.reduce(jnp.add, parts)


def _passed_knots(offset: Array, sizes: list[Array], unit: Array, floor: float) -> list[Array]:
    """Tell for each inner knot whether `offset` (measured from the left end) lies beyond it."""
    offset = jax.lax.stop_gradient(offset)
    total = jnp.zeros((), offset.dtype)
    beyond = []
    for k, size in enumerate(sizes[:-1]):
        total = total + jax.lax.stop_gradient(size)
        beyond.append(offset >= floor * (k + 1) + jax.lax.stop_gradient(unit) * total)
    return beyond


def _pick(beyond: list[Array], values: list[Array]) -> Array:
    """Select the value of the current bin: the last one whose left knot has been passed."""
    out = values[0]
    for passed, value in zip(beyond, values[1:], strict=True):
        out = jnp.where(passed, value, out)
    return out
