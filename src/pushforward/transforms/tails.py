"""Tails of a chosen weight: normal scores beyond a threshold as excesses of a Pareto law."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import log_ndtr_inverse, normal_hazard
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

_LARGEST = 40.0
"""Greatest exponent of a tail's growth: beyond e⁴⁰ float32 has no room for squares."""

_SMALL = 1e-4
"""Least |shape|: below it the tail is exponential to float32's precision where there is data."""


class Tails(Transform):
    r"""Give a standard normal generalized Pareto tails, column by column.

    Between thresholds a < b, x = z. Above b, with λ = φ(b)/Φ(−b), the normal's hazard there,

    Φ(−z) = Φ(−b) (1 + ξ λ (x − b))^(−1/ξ),

    and below a the mirror image. The density is continuous; it falls off as x^(−1/ξ−1) for
    ξ > 0, as an exponential for ξ = 0, and ends at x = b − 1/(ξ λ) for ξ < 0, where dlogp is
    −inf. After a spline whose last slope is d, x − b is d times the distance from its last knot.

    Parameters
    ----------
    thresholds : a < 0 < b per column, shape (dim, 2).
    shapes : ξ per column and side, shape (dim, 2).

    Source pickands1975
    """

    thresholds: Buffer
    shapes: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, thresholds: object, shapes: object):
        ends, shapes = np.asarray(thresholds, float), np.asarray(shapes, float)
        if ends.ndim != 2 or ends.shape != (len(ends), 2) or shapes.shape != ends.shape:
            raise OptionError(
                f"thresholds and shapes of shapes {ends.shape} and {shapes.shape}", "both (dim, 2)"
            )
        if not ((ends[:, 0] < 0) & (ends[:, 1] > 0)).all():
            raise OptionError("thresholds of tails", "a < 0 < b in every column")
        dtype = jnp.result_type(float)
        shapes = np.where(np.abs(shapes) < _SMALL, _SMALL, shapes)
        self.thresholds = Buffer(jnp.asarray(ends * [-1.0, 1.0], dtype))
        self.shapes = Buffer(jnp.asarray(shapes, dtype))

    @property
    def dim(self) -> int:
        return self.shapes.value.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        side, size, edge, shape, hazard = self._sides(z)
        beyond = size > edge
        far = jnp.where(beyond, size, edge)
        grown = jnp.minimum(shape * (log_ndtr(-edge) - log_ndtr(-far)), _LARGEST)
        x = side * (edge + jnp.expm1(grown) / (shape * hazard))
        dlogp = jnp.log(hazard / normal_hazard(far)) - grown
        return jnp.where(beyond, x, z), jnp.where(beyond, dlogp, 0.0).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        side, size, edge, shape, hazard = self._sides(x)
        beyond = size > edge
        left = shape * hazard * jnp.where(beyond, size - edge, 0.0)
        outside = left <= -1
        grown = jnp.log1p(jnp.where(outside, 0.0, left))
        far = -log_ndtr_inverse(log_ndtr(-edge) - grown / shape)
        dlogp = jnp.where(outside, -jnp.inf, jnp.log(hazard / normal_hazard(far)) - grown)
        return jnp.where(beyond, side * far, x), jnp.where(beyond, dlogp, 0.0).sum(0)

    def _sides(self, value: Features) -> tuple[Array, Array, Array, Array, Array]:
        """Return each value's side and size, and that side's threshold, shape and hazard."""
        up = value > 0
        low, high = (
            align(self.thresholds.value[:, 0], value.ndim),
            align(self.thresholds.value[:, 1], value.ndim),
        )
        edge = jnp.where(up, high, low)
        shapes = self.shapes.value
        shape = jnp.where(up, align(shapes[:, 1], value.ndim), align(shapes[:, 0], value.ndim))
        return jnp.where(up, 1.0, -1.0), jnp.abs(value), edge, shape, normal_hazard(edge)
