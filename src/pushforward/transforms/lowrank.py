"""A diagonal changed by a few rank-one matrices: linear maps whose cost grows with the rank."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import positive
from pushforward.core.types import Context, DLogp, Features, Key

_TINY = 1e-12
"""Added to |w|², so that w = 0 divides by no zero; it then moves nothing."""


class LowRank(Transform):
    r"""Multiply by a diagonal and a few rank-one changes: x = μ + D B_k … B_1 z.

    B_i = I + û_i w_iᵀ,   dlogp = −Σ log D_jj − Σ log(1 + w_iᵀû_i),
    û = u + (m(wᵀu) − wᵀu) w/(|w|² + 10⁻¹²),   1 + m(t) = positive(t) > 0.

    D B_k … B_1 is D plus a matrix of rank k. Each factor's determinant is 1 + wᵀû by the
    determinant lemma, positive by construction, and its inverse I − û wᵀ/(1 + wᵀû).

    Parameters
    ----------
    dim : event size.
    rank : k.
    key : random key for w; u starts at zero, which is the identity.

    Cost O(dim · rank) an event either way. Source golub2013matrix, rezende2015
    """

    loc: Float[Array, " dim"]
    raw_scale: Float[Array, " dim"]
    weights: Float[Array, "rank dim"]
    directions: Float[Array, "rank dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, rank: int, *, key: Array):
        if not 1 <= rank <= dim:
            raise OptionError(f"rank {rank} of dim {dim}", "1 ≤ rank ≤ dim")
        self.loc, self.raw_scale = jnp.zeros(dim), jnp.zeros(dim)
        self.weights = jax.random.normal(key, (rank, dim)) / dim**0.5
        self.directions = jnp.zeros((rank, dim))

    @property
    def dim(self) -> int:
        return self.loc.shape[0]

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return D B_k … B_1."""
        return self._multiplied(jnp.eye(self.dim, dtype=self.loc.dtype))[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x, dlogp = self._multiplied(z)
        return x + align(self.loc, z.ndim), dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        def undo(value: Array, change: tuple) -> tuple[Array, None]:
            weight, direction, factor = change
            along = jnp.tensordot(weight, value, 1) / factor
            return value - align(direction, value.ndim) * along, None

        changes = self._changes()
        y = (x - align(self.loc, x.ndim)) / align(positive(self.raw_scale), x.ndim)
        z = jax.lax.scan(undo, y, changes, reverse=True)[0]
        return z, self._dlogp(changes, x)

    def _multiplied(self, z: Features) -> tuple[Features, DLogp]:
        def apply(value: Array, change: tuple) -> tuple[Array, None]:
            weight, direction, _ = change
            along = jnp.tensordot(weight, value, 1)
            return value + align(direction, value.ndim) * along, None

        changes = self._changes()
        y = jax.lax.scan(apply, z, changes)[0]
        return y * align(positive(self.raw_scale), z.ndim), self._dlogp(changes, z)

    def _changes(self) -> tuple[Array, Array, Array]:
        """Return the rows w, û and the factors 1 + wᵀû."""
        product = (self.weights * self.directions).sum(1)
        square = jnp.square(self.weights).sum(1)
        change = (positive(product) - 1 - product) / (square + _TINY)
        directions = self.directions + change[:, None] * self.weights
        return self.weights, directions, 1 + product + change * square

    def _dlogp(self, changes: tuple[Array, Array, Array], event: Features) -> DLogp:
        total = jnp.log(positive(self.raw_scale)).sum() + jnp.log(changes[2]).sum()
        return jnp.broadcast_to(-total, event.shape[1:])
