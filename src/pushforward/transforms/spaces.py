"""Coordinates of other spaces: half-lines, intervals, the simplex, the sphere."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.warp import Warp

ON_SPHERE = 1e-3
"""How far from one a vector's length may be: what float32 coordinates with three digits leave."""


def above(low: object) -> Warp:
    """Map the real line onto what lies above `low`, per feature: x = low + exp z.

    Source papamakarios2021flows
    """
    low = np.atleast_1d(np.asarray(low, float))
    return Warp(("above",) * low.size, low, low + 1)


def below(high: object) -> Warp:
    """Map the real line onto what lies below `high`, per feature: x = high − exp(−z).

    Source papamakarios2021flows
    """
    high = np.atleast_1d(np.asarray(high, float))
    return Warp(("below",) * high.size, high - 1, high)


def between(low: object, high: object) -> Warp:
    """Map the real line onto (low, high), per feature: x = low + (high − low)/(1 + exp(−z)).

    Source papamakarios2021flows
    """
    low, high = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (low, high)))
    if low.ndim != 1 or not (low < high).all():
        raise OptionError(f"low={low}, high={high}", "vectors with low < high everywhere")
    return Warp(("between",) * low.size, low, high)


class StickBreaking(Transform):
    r"""Map R^dim onto the inside of the simplex of dim + 1 shares, by breaking a stick.

    x_k = v_k (1 − x_1 − … − x_{k−1}),   v_k = 1/(1 + exp(−z_k) (K − k)),   K = dim + 1,
    dlogp = −Σ_{k=1}^{K} log x_k,   x_K = 1 − x_1 − … − x_dim.

    The datum is the first dim shares, and densities are per unit of those (Lebesgue); z = 0 is
    equal shares. Where a share is zero or less, dlogp is −inf. Close to x_K = 0 a float32 x
    carries few digits of x_K.

    Parameters
    ----------
    dim : number of free shares, K − 1.

    Source carpenter2017stan
    """

    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "simplex"

    def __check_init__(self) -> None:
        if self.dim < 1:
            raise OptionError(f"dim={self.dim}", "dim ≥ 1")

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        t = z - self._offset(z)
        log_left = jnp.cumsum(jax.nn.log_sigmoid(-t), 0)
        before = jnp.concatenate([jnp.zeros_like(log_left[:1]), log_left[:-1]])
        log_x = jax.nn.log_sigmoid(t) + before
        return jnp.exp(log_x), -log_x.sum(0) - log_left[-1]

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        outside = (x <= 0).any(0) | (jnp.cumsum(x, 0)[-1] >= 1)
        safe = jnp.where(outside, 1 / (self.dim + 1), x)
        log_x, log_left = jnp.log(safe), jnp.log1p(-jnp.cumsum(safe, 0))
        z = log_x - log_left + self._offset(x)
        return z, jnp.where(outside, -jnp.inf, -log_x.sum(0) - log_left[-1])

    def _offset(self, event: Features) -> Array:
        return align(jnp.log(jnp.arange(self.dim, 0, -1, dtype=event.dtype)), event.ndim)


def to_sphere(coordinates: Float[Array, "*batch 2"]) -> Float[Array, "*batch 3"]:
    r"""Return unit vectors of rows (height h, angle θ): (√(1−h²) cos θ, √(1−h²) sin θ, h).

    The area of the sphere is dh dθ (Archimedes), so that a density of (h, θ) is one per unit of
    area: the two have the same value. Source rezende2020tori
    """
    height, angle = coordinates[..., 0], coordinates[..., 1]
    radius = jnp.sqrt(jnp.clip((1 - height) * (1 + height), 0, None))
    return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle), height], -1)


def from_sphere(vectors: Float[Array, "*batch 3"]) -> Float[Array, "*batch 2"]:
    """Return rows (height, angle) of unit vectors; a pole's angle is that of rounding.

    Raises
    ------
    ShapeError : a row has not three values, or is not of length one.

    Source rezende2020tori
    """
    if vectors.shape[-1] != 3:
        raise ShapeError(f"vectors of shape {vectors.shape}", "rows of three values")
    size = jnp.linalg.norm(vectors, axis=-1)
    if not isinstance(size, Tracer) and bool((jnp.abs(size - 1) > ON_SPHERE).any()):
        raise ShapeError(
            f"a vector of length {float(size.ravel()[jnp.abs(size.ravel() - 1).argmax()]):g}",
            "unit vectors",
            "divide each row by its length",
        )
    height = jnp.clip(vectors[..., 2] / size, -1, 1)
    return jnp.stack([height, jnp.arctan2(vectors[..., 1], vectors[..., 0])], -1)
