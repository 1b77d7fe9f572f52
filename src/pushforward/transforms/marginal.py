"""Fixed maps for table columns: each column has its own warp and its own spline."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import log_cosh
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.rational_quadratic import rise, slope, solve

WARPS = ("identity", "arcsinh", "above", "below", "between")


class Warp(Transform):
    r"""Bend each column by its own fixed function, data → latent.

    identity: z = x;  arcsinh: z = s arcsinh(x/s);  above (x > low): z = log(x − low);
    below (x < high): z = −log(high − x);  between: z = log(x − low) − log(high − x).

    At or beyond a bound dlogp is −inf.

    Parameters
    ----------
    kinds : one of `WARPS` per column.
    low, high : bounds per column, used where the kind asks for them.
    scale : s > 0 per column: x much smaller than s stays as it is, beyond it grows as a logarithm.

    Source papamakarios2021flows, johnson1949systems
    """

    low: Buffer
    high: Buffer
    scale: Buffer
    kinds: tuple[str, ...] = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT

    def __init__(
        self,
        kinds: tuple[str, ...],
        low: object = None,
        high: object = None,
        scale: object = None,
    ):
        unknown = set(kinds) - set(WARPS)
        if unknown or not kinds:
            raise OptionError(f"warps {sorted(unknown)}", f"one of {', '.join(WARPS)} per column")
        scale = np.ones(len(kinds)) if scale is None else np.asarray(scale, float)
        if not ((scale > 0) & (scale < np.inf)).all():
            raise OptionError("scales of a warp", "all above zero, and finite")
        dtype = jnp.result_type(float)
        self.kinds = tuple(kinds)
        self.low = Buffer(jnp.asarray(np.zeros(len(kinds)) if low is None else low, dtype))
        self.high = Buffer(jnp.asarray(np.ones(len(kinds)) if high is None else high, dtype))
        self.scale = Buffer(jnp.asarray(scale, dtype))

    @property
    def dim(self) -> int:
        return len(self.kinds)

    @property
    def support(self) -> str:
        return "real" if set(self.kinds) <= {"identity", "arcsinh"} else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, high, scale = self._aligned(z.ndim)
        x, dlogp = z, jnp.zeros_like(z)
        for kind in self._present():
            here = self._where(kind, z.ndim)
            safe = jnp.where(here, z, 0.0)
            if kind == "arcsinh":
                value, change = scale * jnp.sinh(safe / scale), -log_cosh(safe / scale)
            elif kind == "above":
                value, change = low + jnp.exp(safe), -safe
            elif kind == "below":
                value, change = high - jnp.exp(-safe), safe
            else:
                width = jnp.where(here, high - low, 1.0)
                value = low + width * jax.nn.sigmoid(safe)
                change = jax.nn.softplus(safe) + jax.nn.softplus(-safe) - jnp.log(width)
            x, dlogp = jnp.where(here, value, x), jnp.where(here, change, dlogp)
        return x, dlogp.sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, high, scale = self._aligned(x.ndim)
        z, dlogp = x, jnp.zeros_like(x)
        for kind in self._present():
            here = self._where(kind, x.ndim)
            outside = here & _outside(kind, x, low, high)
            if kind == "arcsinh":
                bent = jnp.arcsinh(jnp.where(here, x, 0.0) / scale)
                value, change = scale * bent, -log_cosh(bent)
            else:
                up = jnp.log(jnp.where(here & ~outside, x - low, 1.0))
                down = jnp.log(jnp.where(here & ~outside, high - x, 1.0))
                width = jnp.log(jnp.where(here, high - low, 1.0))
                value, change = {
                    "above": (up, -up),
                    "below": (-down, -down),
                    "between": (up - down, width - up - down),
                }[kind]
            change = jnp.where(outside, -jnp.inf, change)
            z, dlogp = jnp.where(here, value, z), jnp.where(here, change, dlogp)
        return z, dlogp.sum(0)

    def _aligned(self, ndim: int) -> tuple[Array, Array, Array]:
        low, high, scale = (align(b.value, ndim) for b in (self.low, self.high, self.scale))
        return low, high, scale

    def _present(self) -> list[str]:
        return [kind for kind in WARPS[1:] if kind in self.kinds]

    def _where(self, kind: str, ndim: int) -> Array:
        return align(jnp.asarray([k == kind for k in self.kinds]), ndim)


def _outside(kind: str, x: Array, low: Array, high: Array) -> Array:
    outside = jnp.zeros(x.shape, bool)
    if kind in ("above", "between"):
        outside = outside | (x <= low)
    if kind in ("below", "between"):
        outside = outside | (x >= high)
    return outside


class MarginalSpline(Transform):
    r"""Send each column through its own fixed monotone spline with linear tails.

    Between knots a rational-quadratic through (x_k, z_k) with slopes d_k, as in
    `RationalQuadraticSpline`; outside, a line with the slope of the last knot, so that the map
    is onto the real line and heavy tails stay heavy.

    Parameters
    ----------
    knots : per column the positions x_k (data), z_k (latent) and slopes d_k > 0 = dz/dx, each
        strictly increasing where it is a position; at least two.

    Cost O(log knots) a value. Source gregory1982, durkan2019nsf
    """

    x: Buffer
    z: Buffer
    slopes: Buffer
    last: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, knots: list[tuple[np.ndarray, np.ndarray, np.ndarray]]):
        for j, (x, z, slopes) in enumerate(knots):
            rising = len(x) > 1 and (np.diff(x) > 0).all() and (np.diff(z) > 0).all()
            if not rising or not (np.asarray(slopes) > 0).all():
                raise OptionError(
                    f"knots of column {j}", "two or more, strictly increasing, with slopes > 0"
                )
        size = max(len(x) for x, _, _ in knots)
        dtype = jnp.result_type(float)

        def padded(part: int, fill: float) -> Buffer:
            rows = [np.pad(k[part], (0, size - len(k[part])), constant_values=fill) for k in knots]
            return Buffer(jnp.asarray(np.stack(rows), dtype))

        self.x, self.z, self.slopes = padded(0, np.inf), padded(1, np.inf), padded(2, 1.0)
        self.last = Buffer(jnp.asarray([len(x) - 1 for x, _, _ in knots], jnp.int32))

    @property
    def dim(self) -> int:
        return self.last.value.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, inside, (x0, z0, d0, x1, z1, d1) = self._bin(self.z.value, z)
        width, height = x1 - x0, z1 - z0
        s = height / width
        t = solve(jnp.clip(z - z0, 0, height), height, s, d0, d1)
        beyond = jnp.where(low, x0 + (z - z0) / d0, x1 + (z - z1) / d1)
        x = jnp.where(inside, x0 + t * width, beyond)
        return x, _log_slope(low, inside, t, s, d0, d1)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        low, inside, (x0, z0, d0, x1, z1, d1) = self._bin(self.x.value, x)
        width, height = x1 - x0, z1 - z0
        s = height / width
        t = jnp.clip((x - x0) / width, 0, 1)
        beyond = jnp.where(low, z0 + d0 * (x - x0), z1 + d1 * (x - x1))
        z = jnp.where(inside, z0 + rise(t, height, s, d0, d1), beyond)
        return z, _log_slope(low, inside, t, s, d0, d1)

    def _bin(self, knots: Array, value: Features) -> tuple:
        """Find each value's bin; return side flags and the bin's two knots."""
        flat = value.reshape(value.shape[0], -1)
        search = jax.vmap(lambda k, v: jnp.searchsorted(k, v, method="scan_unrolled"))
        last = self.last.value[:, None]
        index = jnp.clip(search(knots, jax.lax.stop_gradient(flat)) - 1, 0, last - 1)
        at = lambda table, i: jnp.take_along_axis(table, i, 1).reshape(value.shape)  # noqa: E731
        tables = (self.x.value, self.z.value, self.slopes.value)
        left = tuple(at(table, index) for table in tables)
        right = tuple(at(table, index + 1) for table in tables)
        first, final = knots[:, :1], jnp.take_along_axis(knots, last, 1)
        low = value < align(first[:, 0], value.ndim)
        high = value > align(final[:, 0], value.ndim)
        return low, ~(low | high) & ~jnp.isnan(value), (*left, *right)


def _log_slope(low: Array, inside: Array, t: Array, s: Array, d0: Array, d1: Array) -> DLogp:
    return jnp.log(jnp.where(inside, slope(t, s, d0, d1), jnp.where(low, d0, d1))).sum(0)
