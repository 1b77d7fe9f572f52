"""Linear maps by their factors: any square matrix, orthogonal times simple."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import positive
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.linear import solve_triangular
from pushforward.transforms.orthogonal import Householder


class Matrix(Transform):
    r"""Multiply by a square matrix: x = μ + A z, dlogp = −log|det A|, for any invertible A.

    A = P L U with partial pivoting, U_ii = d_i `positive`(raw_i): the matrix given is where
    learning starts (raw = 0), and the sign of its determinant stays. `Frozen` keeps it fixed.

    Parameters
    ----------
    matrix : A, shape `(dim, dim)`.
    loc : μ, shape `()` or `(dim,)`.

    Cost O(dim²) an event either way, determinant O(dim). Source golub2013matrix

    Raises
    ------
    OptionError : A has no inverse, to the precision of float64.
    """

    loc: Float[Array, " dim"]
    packed: Float[Array, "dim dim"]
    pivots: Buffer
    order: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, matrix: object, loc: object = 0.0):
        dtype = jnp.result_type(float)
        given = np.asarray(matrix, float)
        if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:
            raise ShapeError(f"a matrix of shape {given.shape}", "a square one")
        _check_invertible(given)
        packed, swaps = scipy.linalg.lu_factor(given)
        rows = np.arange(len(given))
        for k, other in enumerate(swaps):
            rows[[k, other]] = rows[[other, k]]
        self.loc = jnp.broadcast_to(jnp.asarray(loc, dtype), given.shape[:1])
        self.packed = jnp.asarray(packed - np.diag(np.diag(packed)), dtype)
        self.pivots = Buffer(jnp.asarray(np.diag(packed), dtype))
        self.order = Buffer(jnp.asarray(np.argsort(rows), jnp.int32))

    @property
    def dim(self) -> int:
        return self.loc.shape[0]

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return A."""
        lower, upper, _ = self._factors()
        return (lower @ upper)[self.order.value]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, upper, dlogp = self._factors()
        y = jnp.tensordot(lower, jnp.tensordot(upper, z, 1), 1)
        x = y[self.order.value] + align(self.loc, z.ndim)
        return x, jnp.broadcast_to(dlogp, z.shape[1:])

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        lower, upper, dlogp = self._factors()
        y = (x - align(self.loc, x.ndim))[jnp.argsort(self.order.value)]
        z = solve_triangular(upper, solve_triangular(lower, y, lower=True), lower=False)
        return z, jnp.broadcast_to(dlogp, x.shape[1:])

    def _factors(self) -> tuple[Array, Array, Array]:
        """Return L, U and −log|det A|."""
        stretch = positive(jnp.diag(self.packed))
        lower = jnp.tril(self.packed, -1) + jnp.eye(self.dim, dtype=self.packed.dtype)
        upper = jnp.triu(self.packed, 1) + jnp.diag(self.pivots.value * stretch)
        dlogp = -(jnp.log(jnp.abs(self.pivots.value)) + jnp.log(stretch)).sum()
        return lower, upper, dlogp


class QR(Transform):
    r"""Multiply by Q R, orthogonal and upper triangular: x = μ + Q R z, dlogp = −Σ log R_ii.

    Q is a product of reflections, R starts as the identity and keeps a positive diagonal.

    Parameters
    ----------
    dim : event size.
    key : random key for the reflections.
    reflections : how many; `dim` by default.

    Cost O(dim²) an event either way, determinant O(dim). Source golub2013matrix
    """

    loc: Float[Array, " dim"]
    rotation: Householder
    raw_diagonal: Float[Array, " dim"]
    above: Float[Array, " entries"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, *, key: Array, reflections: int | None = None):
        self.rotation = Householder(dim, dim if reflections is None else reflections, key=key)
        self.loc, self.raw_diagonal = jnp.zeros(dim), jnp.zeros(dim)
        self.above = jnp.zeros(dim * (dim - 1) // 2)

    @property
    def dim(self) -> int:
        return self.loc.shape[0]

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return Q R."""
        return self.rotation.forward(self._upper()[0])[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        upper, dlogp = self._upper()
        x = self.rotation.forward(jnp.tensordot(upper, z, 1))[0] + align(self.loc, z.ndim)
        return x, jnp.broadcast_to(dlogp, z.shape[1:])

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        upper, dlogp = self._upper()
        y = self.rotation.inverse(x - align(self.loc, x.ndim))[0]
        return solve_triangular(upper, y, lower=False), jnp.broadcast_to(dlogp, x.shape[1:])

    def _upper(self) -> tuple[Array, Array]:
        """Return R and −log det R."""
        diagonal = positive(self.raw_diagonal)
        upper = jnp.diag(diagonal).at[np.triu_indices(self.dim, 1)].set(self.above)
        return upper, -jnp.log(diagonal).sum()


class SVD(Transform):
    r"""Rotate, stretch, rotate: x = μ + U diag(s) Vᵀ z, dlogp = −Σ log s_i.

    U and V are products of reflections, s = `positive`(raw) are the singular values: what the
    inverse loses is seen in their ratio.

    Parameters
    ----------
    dim : event size.
    key : random key for the reflections.
    reflections : how many for each of U and V; `dim` by default.

    Cost O(dim · reflections) an event either way, no system to solve; determinant O(dim).
    Source zhang2018svd
    """

    loc: Float[Array, " dim"]
    left: Householder
    right: Householder
    raw_singular: Float[Array, " dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, *, key: Array, reflections: int | None = None):
        count = dim if reflections is None else reflections
        keys = jax.random.split(key)
        self.left, self.right = (Householder(dim, count, key=k) for k in keys)
        self.loc, self.raw_singular = jnp.zeros(dim), jnp.zeros(dim)

    @property
    def dim(self) -> int:
        return self.loc.shape[0]

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return U diag(s) Vᵀ."""
        return self._multiplied(jnp.eye(self.dim, dtype=self.loc.dtype))

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._multiplied(z) + align(self.loc, z.ndim), self._dlogp(z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        y = self.left.inverse(x - align(self.loc, x.ndim))[0]
        return self.right.forward(y / self._singular(x.ndim))[0], self._dlogp(x)

    def _multiplied(self, z: Features) -> Features:
        return self.left.forward(self._singular(z.ndim) * self.right.inverse(z)[0])[0]

    def _singular(self, ndim: int) -> Array:
        return align(positive(self.raw_singular), ndim)

    def _dlogp(self, event: Features) -> DLogp:
        return jnp.broadcast_to(-jnp.log(positive(self.raw_singular)).sum(), event.shape[1:])


def _check_invertible(matrix: np.ndarray) -> None:
    """Raise unless the matrix has full rank once its rows and columns are scaled to size one.

    Scaled, because diag(1, 1e-20) has an inverse as good as any other diagonal.
    """
    if np.isfinite(matrix).all():
        scaled = matrix.copy()
        for axis in (1, 0, 1):
            size = np.abs(scaled).max(axis, keepdims=True)
            scaled = scaled / np.where(size > 0, size, 1.0)
        if np.linalg.matrix_rank(scaled) == len(matrix):
            return
    raise OptionError("a matrix without an inverse", "finite entries and full rank")
