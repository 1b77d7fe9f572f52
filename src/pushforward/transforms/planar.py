"""Layers that move points along a direction, about a centre or within a subspace.

Their determinant is cheap by the matrix determinant lemma, and their inverse is one increasing
equation in one unknown (planar, radial), or a triangular system of such (Sylvester).
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import (
    MIN_SCALE,
    checked_scale,
    log_cosh,
    norm,
    positive,
    positive_inverse,
)
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.orthogonal import Householder

LEAK = 0.1
"""Slope of the leaky rectifier below zero."""

_TINY = 1e-12
"""Added to |w|², so that w = 0 divides by no zero; it then moves nothing."""

ACTIVATIONS = ("tanh", "leaky_relu")


class Planar(Transform):
    r"""Move each point along one direction, by how far it lies along another.

    x = z + û h(a),   a = wᵀz + b,   dlogp = −log(1 + wᵀû h′(a)),
    û = u + (m(wᵀu) − wᵀu) w/(|w|² + 10⁻¹²),   m(t) = positive(t) − 1 > −1.

    0 < h′ ≤ 1, so that 1 + wᵀû h′ > 0 and a + wᵀû h(a) = wᵀx + b has one root a: the inverse is
    z = x − û h(a), in closed form for the leaky rectifier.

    Parameters
    ----------
    dim : event size.
    key : random key for w; u starts at zero, which is the identity.
    activation : "tanh" or "leaky_relu", h.

    Cost O(dim) an event, and a scalar root for the inverse. Source rezende2015
    """

    weight: Float[Array, "dim ..."]
    direction: Float[Array, "dim ..."]
    bias: Float[Array, "..."]
    activation: str = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, *, key: Array, activation: str = "tanh"):
        if activation not in ACTIVATIONS:
            raise OptionError(f"activation {activation!r}", f"one of {', '.join(ACTIVATIONS)}")
        self.weight = jax.random.normal(key, (dim,))
        self.direction = jnp.zeros(dim)
        self.bias = jnp.zeros(())
        self.activation = activation

    @property
    def dim(self) -> int:
        return self.weight.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        weight, direction, pull = self._constrained(z.ndim)
        along = (weight * z).sum(0) + self.bias
        value, log_stretch = self._moved(along, pull)
        return z + direction * value, -log_stretch

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        weight, direction, pull = self._constrained(x.ndim)
        target = (weight * x).sum(0) + self.bias
        if self.activation == "tanh":
            along = solve_increasing(lambda a: a + pull * jnp.tanh(a), target)
        else:
            along = target / (1 + pull * jnp.where(target > 0, 1.0, LEAK))
        value, log_stretch = self._moved(along, pull)
        return x - direction * value, -log_stretch

    def _constrained(self, ndim: int) -> tuple[Array, Array, Array]:
        """Return w, û and wᵀû."""
        weight, direction = align(self.weight, ndim), align(self.direction, ndim)
        product = (weight * direction).sum(0)
        square = jnp.square(weight).sum(0)
        change = (positive(product) - 1 - product) / (square + _TINY)
        return weight, direction + change * weight, product + change * square

    def _moved(self, along: Array, pull: Array) -> tuple[Array, Array]:
        """Return h(a) and log(1 + wᵀû h′(a))."""
        if self.activation == "tanh":
            return jnp.tanh(along), jnp.log1p(pull * jnp.exp(-2 * log_cosh(along)))
        slope = jnp.where(along > 0, 1.0, LEAK)
        return slope * along, jnp.log1p(pull * slope)


class Radial(Transform):
    r"""Move each point towards a centre or away from it.

    x = z + β (z − c)/(α + r),   r = |z − c|,
    dlogp = −(dim − 1) log(1 + β/(α + r)) − log(1 + αβ/(α + r)²).

    α > 0 and β > −α; the radius of x then grows with r, and r solves the quadratic
    r² + (α + β − R) r − αR = 0, R = |x − c|.

    Parameters
    ----------
    centre : c, shape `(dim,)`.
    alpha : starting value of α, the radius within which the map acts. β starts at zero, the
        identity.

    Cost O(dim) an event either way. Source rezende2015
    """

    centre: Float[Array, "dim ..."]
    raw_alpha: Float[Array, "..."]
    raw_beta: Float[Array, "..."]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, centre: object, alpha: float = 1.0):
        self.centre = jnp.atleast_1d(jnp.asarray(centre, jnp.result_type(float)))
        self.raw_alpha = positive_inverse(
            checked_scale(jnp.asarray(alpha, jnp.result_type(float)), "alpha")
        )
        self.raw_beta = jnp.zeros(())

    @property
    def dim(self) -> int:
        return self.centre.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        alpha, ratio = positive(self.raw_alpha), positive(self.raw_beta) - 1
        offset = z - align(self.centre, z.ndim)
        near = alpha / (alpha + norm(offset))
        return z + ratio * near * offset, self._dlogp(ratio, near)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        alpha, ratio = positive(self.raw_alpha), positive(self.raw_beta) - 1
        offset = x - align(self.centre, x.ndim)
        # In units of α: ρ² + b ρ − R = 0 with b = 1 + β/α − R; of the root's two forms the one
        # without cancellation. b > 0 where R is small, so that no denominator vanishes.
        far = norm(offset) / alpha
        b = 1 + ratio - far
        root = _far_root(b, far)
        radius = jnp.where(b > 0, 2 * far / jnp.where(b > 0, b + root, 1.0), (root - b) / 2)
        near = 1 / (1 + radius)
        return x - ratio * near / (1 + ratio * near) * offset, self._dlogp(ratio, near)

    def _dlogp(self, ratio: Array, near: Array) -> DLogp:
        """Return dlogp for β/α and near = α/(α + r)."""
        around, outward = jnp.log1p(ratio * near), jnp.log1p(ratio * jnp.square(near))
        return -((self.dim - 1) * around + outward)


def _far_root(b: Array, far: Array) -> Array:
    """Return √(b² + 4 far) without overflow, and with a finite slope where both vanish."""
    size = jax.lax.stop_gradient(jnp.maximum(jnp.abs(b), 1.0))
    return size * jnp.sqrt(jnp.square(b / size) + 4 * far / size / size)


class Sylvester(Transform):
    r"""Move each point within a subspace, by a net of one layer with triangular weights.

    x = z + Q R h(s),   s = S Qᵀz + b,   h = tanh,
    dlogp = −Σ_i log(1 + R_ii S_ii h′(s_i)).

    Q has `rank` orthonormal columns, R and S are upper triangles with |R_ii| < 1, |S_ii| ≤ 1,
    so that every factor is positive. The inverse solves for v = Qᵀz from the last coordinate to
    the first, one increasing equation in one unknown each; z = x − Q R h(s).

    Parameters
    ----------
    dim : event size.
    key : random key for Q and S; R starts at zero, which is the identity.
    rank : columns of Q; `dim` by default.
    basis : "orthogonal" or "householder" (Q learned, as a product of `rank` or of
        `reflections` reflections), or "triangular" (Q the identity; permute between layers).
    reflections : number of reflections where the basis is "householder".

    Cost O(dim · rank) an event, and `rank` scalar roots for the inverse.
    Source vandenberg2018sylvester
    """

    basis: Householder | None
    upper: Float[Array, "rank rank"]
    inner: Float[Array, "rank rank"]
    bias: Float[Array, "rank ..."]
    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(
        self,
        dim: int,
        *,
        key: Array,
        rank: int | None = None,
        basis: str = "orthogonal",
        reflections: int = 4,
    ):
        rank = dim if rank is None else rank
        if basis not in ("orthogonal", "householder", "triangular") or not 1 <= rank <= dim:
            raise OptionError(
                f"basis {basis!r}, rank {rank} of dim {dim}",
                "orthogonal, householder or triangular, and 1 ≤ rank ≤ dim",
            )
        basis_key, inner_key = jax.random.split(key)
        count = min(rank if basis == "orthogonal" else reflections, dim)
        self.basis = None if basis == "triangular" else Householder(dim, count, key=basis_key)
        self.upper = jnp.zeros((rank, rank))
        self.inner = jax.random.normal(inner_key, (rank, rank)) / rank**0.5
        self.bias = jnp.zeros(rank)
        self.dim = dim

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        upper, inner = self._triangles()
        before = jnp.tensordot(inner, self._into(z), 1) + align(self.bias, z.ndim)
        moved = self._out_of(jnp.tensordot(upper, jnp.tanh(before), 1))
        return z + moved, self._dlogp(upper, inner, before)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        upper, inner = self._triangles()
        rank = self.upper.shape[0]
        target = self._into(x)
        bias = jnp.broadcast_to(align(self.bias, x.ndim), target.shape)

        def solve_one(known: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
            v, before = known
            row, inner_row = upper[i], inner[i]
            shift = bias[i] + jnp.tensordot(inner_row, v, 1)
            later = jnp.where(jnp.arange(rank) > i, row, 0.0)
            left = target[i] - jnp.tensordot(later, jnp.tanh(before), 1)
            own, through = row[i], inner_row[i]
            v_i = solve_increasing(lambda t: t + own * jnp.tanh(through * t + shift), left)
            return (v.at[i].set(v_i), before.at[i].set(through * v_i + shift)), None

        nothing = jnp.zeros_like(target)
        (_, before), _ = jax.lax.scan(solve_one, (nothing, nothing), jnp.arange(rank)[::-1])
        moved = self._out_of(jnp.tensordot(upper, jnp.tanh(before), 1))
        return x - moved, self._dlogp(upper, inner, before)

    def _triangles(self) -> tuple[Array, Array]:
        """Return R and S."""
        own = (1 - MIN_SCALE) * jnp.tanh(jnp.diag(self.upper))
        through = jnp.tanh(jnp.diag(self.inner))
        return (
            jnp.triu(self.upper, 1) + jnp.diag(own),
            jnp.triu(self.inner, 1) + jnp.diag(through),
        )

    def _into(self, value: Features) -> Array:
        """Return Qᵀ value."""
        turned = value if self.basis is None else self.basis.inverse(value)[0]
        return turned[: self.upper.shape[0]]

    def _out_of(self, value: Array) -> Features:
        """Return Q value."""
        missing = self.dim - value.shape[0]
        full = jnp.concatenate([value, jnp.zeros((missing, *value.shape[1:]), value.dtype)])
        return full if self.basis is None else self.basis.forward(full)[0]

    def _dlogp(self, upper: Array, inner: Array, before: Array) -> DLogp:
        pull = align(jnp.diag(upper) * jnp.diag(inner), before.ndim)
        return -jnp.log1p(pull * jnp.exp(-2 * log_cosh(before))).sum(0)
