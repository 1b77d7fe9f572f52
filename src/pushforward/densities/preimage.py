"""Laws under maps that are not one-to-one: a sum over all the latents that x may come from."""

import abc
import itertools
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import positive
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key

MAX_BRANCHES = 1024
"""Most preimages that are summed: each costs one evaluation of the density."""


class Branches(eqx.Module):
    """Say where a map sends a latent, and the K latents that a datum may come from."""

    dim: eqx.AbstractVar[int]
    support: eqx.AbstractVar[str]

    @abc.abstractmethod
    def image(self, z: Features) -> Features:
        """Return x = f(z)."""

    @abc.abstractmethod
    def preimages(self, x: Features) -> tuple[Array, Array]:
        """Return all z with f(z) = x, `(dim, K, *n)`, and each one's dlogp, `(K, *n)`.

        dlogp is log|det dz/dx| on the branch, and −inf where the branch does not reach x.
        """


class Abs(Branches):
    """Fold features at zero: x_j = |z_j|, dlogp = 0, two preimages a feature.

    Parameters
    ----------
    dim : event size.
    features : which features are folded; all by default, at most ten.

    Source nielsen2020survae
    """

    dim: int = eqx.field(static=True)
    features: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, dim: int, features: tuple[int, ...] | None = None):
        self.dim = dim
        self.features = tuple(range(dim)) if features is None else tuple(features)
        _check_folded(dim, self.features)

    @property
    def support(self) -> str:
        return _support(self.dim, self.features)

    def image(self, z: Features) -> Features:
        return jnp.where(_flags(self.dim, self.features, z.ndim), jnp.abs(z), z)

    def preimages(self, x: Features) -> tuple[Array, Array]:
        signs, folded = _signs(self.dim, self.features), _flags(self.dim, self.features, x.ndim)
        outside = (folded & (x < 0)).any(0)
        z = align(jnp.asarray(signs, x.dtype), x.ndim + 1) * x[:, None]
        dlogp = jnp.where(outside, -jnp.inf, 0.0).astype(x.dtype)
        return z, jnp.broadcast_to(dlogp, z.shape[1:])


class Square(Branches):
    """Square features: x_j = z_j², dlogp = −Σ (log 2 + ½ log x_j), two preimages a feature.

    At or below zero dlogp is −inf.

    Parameters
    ----------
    dim : event size.
    features : which features are squared; all by default, at most ten.

    Source nielsen2020survae
    """

    dim: int = eqx.field(static=True)
    features: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, dim: int, features: tuple[int, ...] | None = None):
        self.dim = dim
        self.features = tuple(range(dim)) if features is None else tuple(features)
        _check_folded(dim, self.features)

    @property
    def support(self) -> str:
        return "positive" if len(self.features) == self.dim else "bounded"

    def image(self, z: Features) -> Features:
        return jnp.where(_flags(self.dim, self.features, z.ndim), jnp.square(z), z)

    def preimages(self, x: Features) -> tuple[Array, Array]:
        signs, folded = _signs(self.dim, self.features), _flags(self.dim, self.features, x.ndim)
        outside = folded & (x <= 0)
        safe = jnp.where(folded & ~outside, x, 1.0)
        size = jnp.where(folded, jnp.sqrt(safe), x)
        change = jnp.where(folded, -math.log(2) - 0.5 * jnp.log(safe), 0.0)
        dlogp = jnp.where(outside, -jnp.inf, change).sum(0)
        z = align(jnp.asarray(signs, x.dtype), x.ndim + 1) * size[:, None]
        return z, jnp.broadcast_to(dlogp, z.shape[1:])


class Fold(Branches):
    r"""Fold space along a hyperplane: x = z where w·z ≥ b, its mirror image elsewhere; dlogp = 0.

    x lies in the half-space w·x ≥ b, and has two preimages: itself and its mirror image
    x − 2 (w·x − b) w, |w| = 1.

    Parameters
    ----------
    normal, offset : w (scaled to length one) and b; fixed, because a likelihood has no slope in
        the place of an edge.

    Source nielsen2020survae
    """

    normal: Buffer
    offset: Buffer
    support: ClassVar[str] = "half_space"

    def __init__(self, normal: object, offset: float = 0.0):
        normal = np.atleast_1d(np.asarray(normal, float))
        size = np.linalg.norm(normal)
        if normal.ndim != 1 or not 0 < size < np.inf:
            raise OptionError(f"normal={normal}", "a vector that is finite and not zero")
        dtype = jnp.result_type(float)
        self.normal = Buffer(jnp.asarray(normal / size, dtype))
        self.offset = Buffer(jnp.asarray(offset, dtype))

    @property
    def dim(self) -> int:
        return self.normal.value.shape[0]

    def image(self, z: Features) -> Features:
        beyond, mirrored = self._mirrored(z)
        return jnp.where(beyond >= 0, z, mirrored)

    def preimages(self, x: Features) -> tuple[Array, Array]:
        beyond, mirrored = self._mirrored(x)
        dlogp = jnp.where(beyond < 0, -jnp.inf, jnp.zeros_like(beyond))
        return jnp.stack([x, mirrored], 1), jnp.stack([dlogp, dlogp])

    def _mirrored(self, value: Features) -> tuple[Array, Features]:
        """Return w·v − b and the mirror image of v."""
        normal = align(self.normal.value, value.ndim)
        beyond = (normal * value).sum(0) - self.offset.value
        return beyond, value - 2 * beyond * normal


class Sorted(Branches):
    """Sort the features: x is z in ascending order; dlogp = 0, dim! preimages.

    Parameters
    ----------
    dim : event size, at most six.

    Source nielsen2020survae
    """

    dim: int = eqx.field(static=True)
    support: ClassVar[str] = "ordered"

    def __check_init__(self) -> None:
        if self.dim < 1 or math.factorial(self.dim) > MAX_BRANCHES:
            raise OptionError(f"dim={self.dim}", "1 ≤ dim ≤ 6: all orders are summed")

    def image(self, z: Features) -> Features:
        return jnp.sort(z, 0)

    def preimages(self, x: Features) -> tuple[Array, Array]:
        orders = np.array(list(itertools.permutations(range(self.dim)))).T
        outside = (x[1:] < x[:-1]).any(0)
        z = x[orders]
        dlogp = jnp.where(outside, -jnp.inf, 0.0).astype(x.dtype)
        return z, jnp.broadcast_to(dlogp, z.shape[1:])


class PreimageSum(Density):
    r"""The law of x = f(z) for a map with at most K preimages.

    log p(x) = log Σ_k exp(log p(z_k) + dlogp_k),   f(z_k) = x.

    The sum is over all preimages, so nothing is lost: the evidence is that of the density.

    Parameters
    ----------
    branches : f, with its preimages.
    density : the law of z.

    Cost: K evaluations of the density. Source nielsen2020survae
    """

    branches: Branches
    density: Density

    def __check_init__(self) -> None:
        if self.branches.dim != self.density.dim:
            raise ShapeError(
                f"branches of dim {self.branches.dim} on a density of dim {self.density.dim}",
                "equal sizes",
            )

    @property
    def dim(self) -> int:
        return self.density.dim

    @property
    def context_dim(self) -> int:
        return self.density.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.density.evidence

    @property
    def support(self) -> str:
        return self.branches.support

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        z, dlogp = self.branches.preimages(x)
        if context is not None:
            shape = (context.shape[0], *z.shape[1:])
            context = jnp.broadcast_to(align(context, x.ndim)[:, None], shape)
            context = context.reshape(context.shape[0], -1)
        flat = z.reshape(self.dim, -1)
        terms = self.density._log_prob(flat, context).reshape(dlogp.shape) + dlogp
        # Where every term is −inf the sum's slope would be 0/0: those get harmless terms first.
        reached = (terms != -jnp.inf).any(0)
        total = jax.nn.logsumexp(jnp.where(reached, terms, 0.0), 0)
        return jnp.where(reached, total, -jnp.inf)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        return self.branches.image(self.density._sample(key, n, context))


class HalfNormal(Density):
    """Independent halves of normals: log p(x) = Σ ½ log(2/π) − log σ_j − ½ (x_j/σ_j)², x_j ≥ 0.

    The law of |z| for normal z, at the cost of one branch; σ is learned and begins at one.

    Parameters
    ----------
    dim : event size.

    Source papamakarios2021flows
    """

    raw_scale: Float[Array, " dim"]
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "nonnegative"

    def __init__(self, dim: int):
        self.raw_scale = jnp.zeros(dim)

    @property
    def dim(self) -> int:
        return self.raw_scale.shape[0]

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        scale = positive(align(self.raw_scale, x.ndim))
        outside = x < 0
        inside = jnp.where(outside, 0.0, x) / scale
        log_p = 0.5 * math.log(2 / math.pi) - jnp.log(scale) - 0.5 * jnp.square(inside)
        return jnp.where(outside, -jnp.inf, log_p).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        size = jnp.abs(jax.random.normal(key, (self.dim, n)))
        return positive(self.raw_scale)[:, None] * size


def _check_folded(dim: int, features: tuple[int, ...]) -> None:
    known = set(features) <= set(range(dim)) and len(set(features)) == len(features)
    if not known or not features or 2 ** len(features) > MAX_BRANCHES:
        raise OptionError(
            f"features {features} of dim {dim}",
            "one to ten different features: all their signs are summed",
        )


def _support(dim: int, features: tuple[int, ...]) -> str:
    return "nonnegative" if len(features) == dim else "bounded"


def _flags(dim: int, features: tuple[int, ...], ndim: int) -> Array:
    return align(jnp.asarray(np.isin(np.arange(dim), features)), ndim)


def _signs(dim: int, features: tuple[int, ...]) -> np.ndarray:
    """Return the signs of the features, one column a branch: `(dim, K)`."""
    signs = np.ones((dim, 2 ** len(features)))
    signs[list(features)] = np.array(list(itertools.product((1, -1), repeat=len(features)))).T
    return signs
