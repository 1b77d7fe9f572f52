"""A map of lengths: what is spherical about data is made normal in one step."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import norm
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.marginal import MarginalSpline

_FLAT = 1e-6
"""How far from one the slope at the innermost knot may be."""


class RadialSpline(Transform):
    r"""Stretch each event along its own direction, by a monotone spline of log lengths.

    x = z |x|/|z|,   log|z| = g(log|x|),   dlogp = dim · (log|z| − log|x|) + log g′(log|x|).

    The slope of g at the innermost knot is one, so that the map is a plain scaling about zero
    and the density there finite; beyond the outermost knot |z| is a power of |x|.

    Parameters
    ----------
    dim : event size.
    knots : positions log|x|, images log|z| and slopes of g, as of `MarginalSpline`.
    size : room for so many knots.

    Cost O(dim + log knots) an event. Source lyu2009radial
    """

    lengths: MarginalSpline
    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self, dim: int, knots: tuple[np.ndarray, np.ndarray, np.ndarray], size: int | None = None
    ):
        if dim < 1 or abs(float(knots[2][0]) - 1) > _FLAT:
            raise OptionError(
                f"dim={dim}, a slope of {knots[2][0]:g} at the innermost knot", "dim ≥ 1, slope 1"
            )
        self.lengths, self.dim = MarginalSpline([knots], size), dim

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        inner = _log_length(z)
        outer, change = self.lengths.forward(inner[None])
        return z * jnp.exp(outer - inner), self.dim * (inner - outer[0]) + change

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outer = _log_length(x)
        inner, change = self.lengths.inverse(outer[None])
        return x * jnp.exp(inner - outer), self.dim * (inner[0] - outer) + change


def _log_length(x: Features) -> Array:
    """Return log|x|; at zero, where the map is a plain scaling, that of the least number."""
    length = norm(x)
    least = float(jnp.finfo(x.dtype).tiny)
    return jnp.log(jnp.where(length > least, length, least))
