"""Linear maps with a cheap determinant."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import checked_scale, positive, positive_inverse
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.absent import with_absent, without_absent


class Triangular(Transform):
    r"""Multiply by a lower-triangular matrix: x = μ + L z, dlogp = −Σ log L_ii.

    On a standard normal this is the full-covariance Gaussian with Cholesky factor L.

    Parameters
    ----------
    loc : μ, shape `(dim,)`.
    scale_tril : L, shape `(dim, dim)`, with a positive diagonal; what lies above it is ignored.
    partial : whether features may be absent (`transforms.absent`).

    Cost O(dim²) an event, determinant O(dim).
    Source papamakarios2021flows
    """

    loc: Float[Array, " dim"]
    raw_diagonal: Float[Array, " dim"]
    below: Float[Array, " entries"]
    partial: bool = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, loc: object, scale_tril: object, partial: bool = False):
        self.partial = partial
        self.loc = jnp.asarray(loc, jnp.result_type(float))
        scale_tril = jnp.asarray(scale_tril, jnp.result_type(float))
        if scale_tril.shape != (self.loc.size, self.loc.size):
            raise ShapeError(
                f"scale_tril of shape {scale_tril.shape}", f"{(self.loc.size, self.loc.size)}"
            )
        diagonal = checked_scale(jnp.diag(scale_tril), "diagonal of scale_tril")
        self.raw_diagonal = positive_inverse(diagonal)
        self.below = scale_tril[np.tril_indices(self.loc.size, -1)]

    @property
    def dim(self) -> int:
        return self.loc.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, dlogp = self._factor(z)
        if not self.partial:
            return align(self.loc, z.ndim) + jnp.tensordot(lower, z, 1), dlogp
        absent, z = without_absent(z)
        x = align(self.loc, z.ndim) + jnp.tensordot(lower, z, 1)
        return with_absent(x, absent), dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, dlogp = self._factor(x)
        if not self.partial:
            return solve_triangular(lower, x - align(self.loc, x.ndim), lower=True), dlogp
        absent, x = without_absent(x)
        return with_absent(self._solve_present(lower, x, absent), absent), dlogp

    def _solve_present(self, lower: Array, x: Features, absent: Array) -> Features:
        """Solve row by row, an absent feature being zero whatever its own equation says."""
        rest = x - align(self.loc, x.ndim)

        def row(z: Features, j: Array) -> tuple[Features, None]:
            value = (rest[j] - jnp.tensordot(lower[j], z, 1)) / lower[j, j]
            return z.at[j].set(jnp.where(absent[j], 0.0, value)), None

        return jax.lax.scan(row, jnp.zeros_like(x), jnp.arange(self.dim))[0]

    def _factor(self, event: Features) -> tuple[Array, DLogp]:
        diagonal = positive(self.raw_diagonal)
        volume = -align(jnp.log(diagonal), event.ndim)
        if self.partial:
            volume = jnp.where(jnp.isnan(event), 0.0, volume)
        dlogp = jnp.broadcast_to(volume.sum(0), event.shape[1:])
        return jnp.diag(diagonal).at[np.tril_indices(self.dim, -1)].set(self.below), dlogp


class ContextShift(Transform):
    r"""Shift by a linear function of the context: x = z + B c, dlogp = 0.

    Before or after a `Triangular` on a standard normal this is linear regression with correlated
    errors. B starts at zero.

    Parameters
    ----------
    dim, context_dim : event and context size.

    Source hastie2009elements
    """

    slope: Float[Array, "dim c"]
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, context_dim: int):
        if dim < 1 or context_dim < 1:
            raise OptionError(f"dim={dim}, context_dim={context_dim}", "both at least 1")
        self.slope = jnp.zeros((dim, context_dim))

    @property
    def dim(self) -> int:
        return self.slope.shape[0]

    @property
    def context_dim(self) -> int:
        return self.slope.shape[1]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return z + self._shift(context, z.ndim), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return x - self._shift(context, x.ndim), jnp.zeros(x.shape[1:], x.dtype)

    def _shift(self, context: Context, ndim: int) -> Features:
        if context is None or context.shape[0] != self.context_dim:
            given = "no context" if context is None else f"a context of shape {context.shape}"
            raise ShapeError(given, f"{self.context_dim} context values, features first")
        return align(jnp.tensordot(self.slope, context, 1), ndim)


class LU(Transform):
    r"""Multiply by L U, a unit lower and an upper triangle: x = b + L U z, dlogp = −Σ log U_ii.

    Both factors live in one packed matrix, all of whose entries are free; zeros give the
    identity. A fixed permutation before it (`Permute`) makes the family dense.

    Parameters
    ----------
    dim : event size.

    Cost O(dim²) an event either way, determinant O(dim).
    Source kingma2018glow
    """

    bias: Float[Array, " dim"]
    packed: Float[Array, "dim dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int):
        self.bias = jnp.zeros(dim)
        self.packed = jnp.zeros((dim, dim))

    @property
    def dim(self) -> int:
        return self.bias.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, upper, dlogp = self._factors(z)
        x = jnp.tensordot(lower, jnp.tensordot(upper, z, 1), 1)
        return x + align(self.bias, z.ndim), dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, upper, dlogp = self._factors(x)
        y = solve_triangular(lower, x - align(self.bias, x.ndim), lower=True)
        return solve_triangular(upper, y, lower=False), dlogp

    def _factors(self, event: Features) -> tuple[Array, Array, DLogp]:
        diagonal = positive(jnp.diag(self.packed))
        lower = jnp.tril(self.packed, -1) + jnp.eye(self.dim, dtype=self.packed.dtype)
        upper = jnp.triu(self.packed, 1) + jnp.diag(diagonal)
        return lower, upper, jnp.broadcast_to(-jnp.log(diagonal).sum(), event.shape[1:])


def solve_triangular(matrix: Array, value: Features, *, lower: bool) -> Features:
    """Solve a triangular system for features-first values with any trailing axes."""
    columns = value.reshape(value.shape[0], math.prod(value.shape[1:]))
    solved = jax.scipy.linalg.solve_triangular(matrix, columns, lower=lower)
    return solved.reshape(value.shape)
