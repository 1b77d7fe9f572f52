"""What a case is, and what cases are made of."""

import dataclasses
from collections.abc import Callable

import numpy as np

from pushforward.transforms import RationalQuadraticSpline


@dataclasses.dataclass(frozen=True)
class Case:
    """Say how to build a thing, on what it lives and what it promises.

    make : takes a random key.
    dim, context_dim : sizes.
    low, high : where ordinary data points are drawn from, inside the support.
    support : the support's ends, for all features or each.
    sparsity : (dim, dim) flags of which z_i depend on which x_j, where that is promised.
    blind : how many leading features of z the context cannot reach.
    trains : whether there is anything to learn.
    saves : whether a file can hold it; a user's own function cannot be saved.
    closed : whether the support's ends belong to it.
    inside : flags of which points (dim, n) are in the support, where that is no box.
    """

    make: Callable
    dim: int
    context_dim: int = 0
    low: float = -3.0
    high: float = 3.0
    support: tuple = (-np.inf, np.inf)
    sparsity: np.ndarray | None = None
    blind: int = 0
    trains: bool = True
    saves: bool = True
    closed: bool = False
    inside: Callable | None = None

    @property
    def edges(self) -> np.ndarray:
        """Return the lower and the upper ends of the support per feature, `(2, dim)`."""
        ends = [np.broadcast_to(np.asarray(end, float), (self.dim,)) for end in self.support]
        return np.stack(ends)


def knots(rng_seed, columns, count):
    rng = np.random.default_rng(rng_seed)
    out = []
    for j in range(columns):
        size = count + j
        x = np.cumsum(rng.uniform(0.1, 1.0, size)) - 2
        z = np.cumsum(rng.uniform(0.1, 1.0, size)) - 2
        out.append((x, z, rng.uniform(0.2, 3.0, size)))
    return out


def layer(kind, dim, template, context_dim=0, **options):
    hidden = options.pop("hidden", (8, 8))
    return lambda key: kind(
        dim, template(), key=key, context_dim=context_dim, hidden=hidden, **options
    )


def own(dim):
    return np.eye(dim, dtype=bool)


def before(dim):
    return np.tri(dim, dtype=bool)


def kept(dim, n_kept):
    """Coupling: what is kept sees itself, what is moved sees itself and what is kept."""
    return own(dim) | (np.arange(dim)[:, None] >= n_kept) & (np.arange(dim)[None] < n_kept)


def spline():
    return RationalQuadraticSpline(4, 4.0)
