"""Fixed splines of table columns: each column has its own, on knots of any number."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.rational_quadratic import rise, slope, solve


class MarginalSpline(Transform):
    r"""Send each column through its own fixed monotone spline with linear tails.

    Between knots a rational-quadratic through (x_k, z_k) with slopes d_k, as in
    `RationalQuadraticSpline`; outside, a line with the slope of the last knot, so that the map
    is onto the real line and heavy tails stay heavy.

    Parameters
    ----------
    knots : per column the positions x_k (data), z_k (latent) and slopes d_k > 0 = dz/dx, each
        strictly increasing where it is a position; at least two.
    size : room for so many knots a column; splines of one size can be stacked.

    Cost O(log knots) a value. Source gregory1982, durkan2019nsf
    """

    x: Buffer
    z: Buffer
    slopes: Buffer
    last: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self, knots: list[tuple[np.ndarray, np.ndarray, np.ndarray]], size: int | None = None
    ):
        for j, (x, z, slopes) in enumerate(knots):
            rising = len(x) > 1 and (np.diff(x) > 0).all() and (np.diff(z) > 0).all()
            if not rising or not (np.asarray(slopes) > 0).all():
                raise OptionError(
                    f"knots of column {j}", "two or more, strictly increasing, with slopes > 0"
                )
        needed = max(len(x) for x, _, _ in knots)
        size = needed if size is None else size
        if size < needed:
            raise OptionError(f"size={size} for {needed} knots", "room for all")
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
