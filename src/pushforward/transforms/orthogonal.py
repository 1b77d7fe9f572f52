"""Maps that keep lengths: reflections, rotations, orthogonal matrices. Their volume is one."""

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
from pushforward.core.numerics import norm
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

METHODS = ("cayley", "exponential")

_ORTHOGONAL = 1e-4
"""How far a given basis may be from orthonormal: a float32 one is within it."""


class Householder(Transform):
    r"""Reflect: x = H_1 … H_k z,   H_i = I − 2 v_i v_iᵀ/|v_i|²,   dlogp = 0.

    Parameters
    ----------
    dim : event size.
    count : k, the number of reflections; `dim` of them reach every orthogonal matrix of their
        sign.
    key : random key for the vectors.

    Cost O(dim · count) an event. Source tomczak2016householder
    """

    vectors: Float[Array, "count dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, count: int, *, key: Array):
        if dim < 1 or count < 1:
            raise OptionError(f"dim={dim}, count={count}", "dim ≥ 1, count ≥ 1")
        self.vectors = jax.random.normal(key, (count, dim))

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._reflected(z, reverse=True), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._reflected(x, reverse=False), jnp.zeros(x.shape[1:], x.dtype)

    def _reflected(self, value: Features, *, reverse: bool) -> Features:
        def reflect(value: Array, vector: Array) -> tuple[Array, None]:
            size = norm(vector)
            unit = vector / jnp.where(size > 0, size, 1.0)  # a zero vector reflects nothing
            along = jnp.tensordot(unit, value, 1)
            return value - 2 * align(unit, value.ndim) * along, None

        return jax.lax.scan(reflect, value, self.vectors, reverse=reverse)[0]


class Orthogonal(Transform):
    r"""Rotate by an orthogonal matrix: x = Q z,   dlogp = 0,   A = W − Wᵀ.

    cayley: Q = (I + A)⁻¹(I − A), which leaves out rotations by half a turn;
    exponential: Q = exp A, every rotation. W = 0 gives the identity.

    Parameters
    ----------
    dim : event size.
    method : "cayley" or "exponential".

    Cost O(dim³) a call and O(dim²) an event. Source golinski2019orthogonal
    """

    entries: Float[Array, "dim dim"]
    method: str = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, method: str = "cayley"):
        if method not in METHODS:
            raise OptionError(f"method {method!r}", f"one of {', '.join(METHODS)}")
        self.entries = jnp.zeros((dim, dim))
        self.method = method

    @property
    def dim(self) -> int:
        return self.entries.shape[0]

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return Q."""
        skew = self.entries - self.entries.T
        if self.method == "exponential":
            return jax.scipy.linalg.expm(skew)
        unit = jnp.eye(self.dim, dtype=skew.dtype)
        return jnp.linalg.solve(unit + skew, unit - skew)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.tensordot(self.matrix(), z, 1), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.tensordot(self.matrix().T, x, 1), jnp.zeros(x.shape[1:], x.dtype)


class Basis(Transform):
    r"""See data in another orthonormal basis: x = Qᵀ z, z = Q x, dlogp = 0; Q is fixed.

    Parameters
    ----------
    directions : Q, whose rows are the basis.

    Cost O(dim²) an event. Source golub2013matrix
    """

    directions: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, directions: object):
        q = np.asarray(directions, float)
        if q.ndim != 2 or not np.allclose(q @ q.T, np.eye(len(q)), rtol=0, atol=_ORTHOGONAL):
            raise OptionError(f"directions of shape {q.shape}", "an orthogonal matrix, rows first")
        self.directions = Buffer(jnp.asarray(q, jnp.result_type(float)))

    @property
    def dim(self) -> int:
        return self.directions.value.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.tensordot(self.directions.value.T, z, 1), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.tensordot(self.directions.value, x, 1), jnp.zeros(x.shape[1:], x.dtype)


class Rotation(Transform):
    r"""Turn by angles in planes of two axes, one after the other: x = G_k … G_1 z, dlogp = 0.

    G(i, j, α): x_i = z_i cos α − z_j sin α,   x_j = z_i sin α + z_j cos α.

    Parameters
    ----------
    dim : event size.
    angles : α per plane in radians, or one for all; zero, the identity, by default.
    pairs : the planes' axes (i, j); every pair by default, which reaches every rotation.

    Cost O(number of pairs) an event. Source golub2013matrix
    """

    angles: Float[Array, " count"]
    pairs: tuple[tuple[int, int], ...] = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self,
        dim: int,
        angles: object = 0.0,
        pairs: tuple[tuple[int, int], ...] | None = None,
    ):
        every = [(i, j) for i in range(dim) for j in range(i + 1, dim)]
        self.pairs = tuple((int(i), int(j)) for i, j in (every if pairs is None else pairs))
        inside = all(0 <= i < dim and 0 <= j < dim and i != j for i, j in self.pairs)
        if not self.pairs or not inside:
            raise OptionError(f"pairs {self.pairs}", f"pairs of different axes among 0 … {dim - 1}")
        given = jnp.asarray(angles, jnp.result_type(float))
        if given.shape not in ((), (len(self.pairs),)):
            raise ShapeError(f"angles of shape {given.shape}", f"() or ({len(self.pairs)},)")
        self.angles = jnp.broadcast_to(given, (len(self.pairs),))
        self.dim = dim

    def matrix(self) -> Float[Array, "dim dim"]:
        """Return G_k … G_1."""
        return self._turned(jnp.eye(self.dim, dtype=self.angles.dtype), 1.0)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._turned(z, 1.0), jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self._turned(x, -1.0), jnp.zeros(x.shape[1:], x.dtype)

    def _turned(self, value: Features, direction: float) -> Features:
        def turn(value: Array, plane: tuple) -> tuple[Array, None]:
            cosine, sine, i, j = plane
            a, b = value[i], value[j]
            return value.at[i].set(cosine * a - sine * b).at[j].set(sine * a + cosine * b), None

        axes = jnp.asarray(self.pairs, jnp.int32)
        planes = (jnp.cos(self.angles), direction * jnp.sin(self.angles), axes[:, 0], axes[:, 1])
        return jax.lax.scan(turn, value, planes, reverse=direction < 0)[0]
