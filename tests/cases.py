"""Every transform, density and model by name, with what it promises; the laws run over all."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from pushforward.densities import NumPyroDensity, Pushforward, StandardNormal, StudentT, Uniform
from pushforward.models import build
from pushforward.transforms import (
    LU,
    Affine,
    BoundedAffine,
    Chain,
    Coupling,
    Exp,
    Frozen,
    Invert,
    MarginalSpline,
    MaskedAutoregressive,
    Permute,
    RationalQuadraticSpline,
    Scan,
    Sigmoid,
    Sinh,
    Triangular,
    Warp,
)


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

    @property
    def edges(self) -> np.ndarray:
        """Return the lower and the upper ends of the support per feature, `(2, dim)`."""
        ends = [np.broadcast_to(np.asarray(end, float), (self.dim,)) for end in self.support]
        return np.stack(ends)


def _knots(rng_seed, columns, count):
    rng = np.random.default_rng(rng_seed)
    out = []
    for j in range(columns):
        size = count + j
        x = np.cumsum(rng.uniform(0.1, 1.0, size)) - 2
        z = np.cumsum(rng.uniform(0.1, 1.0, size)) - 2
        out.append((x, z, rng.uniform(0.2, 3.0, size)))
    return out


def _layer(kind, dim, template, context_dim=0, **options):
    hidden = options.pop("hidden", (8, 8))
    return lambda key: kind(
        dim, template(), key=key, context_dim=context_dim, hidden=hidden, **options
    )


def _own(dim):
    return np.eye(dim, dtype=bool)


def _before(dim):
    return np.tri(dim, dtype=bool)


def _kept(dim, n_kept):
    """Coupling: what is kept sees itself, what is moved sees itself and what is kept."""
    return _own(dim) | (np.arange(dim)[:, None] >= n_kept) & (np.arange(dim)[None] < n_kept)


def _spline():
    return RationalQuadraticSpline(4, 4.0)


TRANSFORMS = {
    "affine": Case(
        lambda key: Affine(jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0])), 2, sparsity=_own(2)
    ),
    "bounded_affine": Case(lambda key: BoundedAffine(), 2, sparsity=_own(2)),
    "exp": Case(lambda key: Exp(), 2, 0, 0.05, 5.0, (0.0, np.inf), sparsity=_own(2), trains=False),
    "sigmoid": Case(
        lambda key: Sigmoid(), 2, 0, 0.02, 0.98, (0.0, 1.0), sparsity=_own(2), trains=False
    ),
    "sinh": Case(lambda key: Sinh(), 2, sparsity=_own(2), trains=False),
    "warp": Case(
        lambda key: Warp(
            ("identity", "arcsinh", "above", "below", "between"), np.zeros(5), np.full(5, 2.0)
        ),
        5,
        low=0.1,
        high=1.9,
        support=((-np.inf, -np.inf, 0, -np.inf, 0), (np.inf, np.inf, np.inf, 2, 2)),
        sparsity=_own(5),
        trains=False,
    ),
    "marginal_spline": Case(
        lambda key: MarginalSpline(_knots(0, 3, 5)), 3, sparsity=_own(3), trains=False
    ),
    "lu": Case(lambda key: LU(3), 3, sparsity=np.ones((3, 3), bool)),
    "triangular": Case(
        lambda key: Triangular(jnp.ones(3), jnp.eye(3) + jnp.ones((3, 3)) / 2),
        3,
        sparsity=_before(3),
    ),
    "permute": Case(lambda key: Permute([2, 0, 1]), 3, sparsity=_own(3)[[1, 2, 0]], trains=False),
    "spline_2": Case(lambda key: RationalQuadraticSpline(2, 3.0), 2, sparsity=_own(2)),
    "spline_8": Case(lambda key: RationalQuadraticSpline(8, 5.0), 2, sparsity=_own(2)),
    "spline_16": Case(lambda key: RationalQuadraticSpline(16, 2.0), 1, sparsity=_own(1)),
    "coupling_affine": Case(_layer(Coupling, 3, BoundedAffine), 3, sparsity=_kept(3, 1)),
    "coupling_affine_context": Case(
        _layer(Coupling, 2, BoundedAffine, 2, activation="silu"),
        2,
        2,
        sparsity=_kept(2, 1),
        blind=1,
    ),
    "coupling_spline": Case(_layer(Coupling, 4, _spline, residual=True), 4, sparsity=_kept(4, 2)),
    "coupling_spline_context": Case(
        _layer(Coupling, 2, _spline, 1, activation="tanh"), 2, 1, sparsity=_kept(2, 1), blind=1
    ),
    "autoregressive_affine": Case(
        _layer(MaskedAutoregressive, 3, BoundedAffine), 3, sparsity=_before(3)
    ),
    "autoregressive_affine_context": Case(
        _layer(MaskedAutoregressive, 2, BoundedAffine, 2, activation="elu"),
        2,
        2,
        sparsity=_before(2),
    ),
    "autoregressive_spline": Case(
        _layer(MaskedAutoregressive, 4, _spline, residual=True, hidden=(9, 9)),
        4,
        sparsity=_before(4),
    ),
    "autoregressive_spline_context": Case(
        _layer(MaskedAutoregressive, 3, _spline, 2, activation="gelu", hidden=(7, 5)),
        3,
        2,
        sparsity=_before(3),
    ),
    "autoregressive_one": Case(_layer(MaskedAutoregressive, 1, _spline), 1, sparsity=_own(1)),
    "autoregressive_one_context": Case(
        _layer(MaskedAutoregressive, 1, _spline, 2), 1, 2, sparsity=_own(1)
    ),
    # Three units cannot serve seven features: the pattern is not full.
    "autoregressive_narrow": Case(_layer(MaskedAutoregressive, 7, BoundedAffine, hidden=(3,)), 7),
    "chain": Case(
        lambda key: Chain(
            [_layer(Coupling, 3, BoundedAffine, 1)(key), LU(3), Permute([1, 2, 0]), Sinh()]
        ),
        3,
        1,
        blind=1,
    ),
    "scan": Case(
        lambda key: Scan(
            [
                Chain([_layer(Coupling, 3, _spline)(k), Permute([2, 0, 1])])
                for k in jax.random.split(key, 3)
            ]
        ),
        3,
    ),
    "invert": Case(
        lambda key: Invert(_layer(MaskedAutoregressive, 3, BoundedAffine)(key)),
        3,
        sparsity=_before(3),
    ),
    "frozen": Case(
        lambda key: Frozen(Chain([Affine(jnp.ones(2), jnp.full(2, 2.0)), Sinh()])),
        2,
        sparsity=_own(2),
        trains=False,
    ),
}


def _on(base, dim=2):
    return lambda key: Pushforward(_layer(MaskedAutoregressive, dim, _spline)(key), base())


DENSITIES = {
    "standard_normal": Case(lambda key: StandardNormal(2), 2, trains=False),
    "uniform": Case(
        lambda key: Uniform([-1.0, 0.0], [2.0, 0.5]),
        2,
        low=0.01,
        high=0.49,
        support=((-1.0, 0.0), (2.0, 0.5)),
        trains=False,
    ),
    "student_t": Case(lambda key: StudentT(2, 3.0), 2),
    "numpyro_scalar": Case(lambda key: NumPyroDensity(dist.Normal(1.0, 2.0)), 1, trains=False),
    "numpyro_vector": Case(
        lambda key: NumPyroDensity(
            dist.MultivariateNormal(
                jnp.zeros(2), covariance_matrix=jnp.array([[1.0, 0.5], [0.5, 2.0]])
            )
        ),
        2,
        trains=False,
    ),
    "numpyro_half_line": Case(
        lambda key: NumPyroDensity(dist.Gamma(jnp.array([2.0, 3.0])).to_event(1)),
        2,
        low=0.1,
        high=4.0,
        support=(0.0, np.inf),
        trains=False,
    ),
    "pushforward_normal": Case(_on(lambda: StandardNormal(2)), 2),
    "pushforward_student_t": Case(_on(lambda: StudentT(2)), 2),
    "pushforward_numpyro": Case(
        _on(lambda: NumPyroDensity(dist.Laplace(jnp.zeros(2), 1.0).to_event(1))), 2
    ),
    "pushforward_exp": Case(
        lambda key: Pushforward(
            Chain([_layer(Coupling, 2, BoundedAffine)(key), Exp()]), StandardNormal(2)
        ),
        2,
        low=0.05,
        high=5.0,
        support=(0.0, np.inf),
    ),
}

_SMALL = {"layers": 2, "hidden": (8, 8)}

MODELS = {
    "gaussian": Case(lambda key: build("gaussian", 2, key=key), 2),
    "realnvp": Case(lambda key: build("realnvp", 2, key=key, **_SMALL), 2),
    "realnvp_context": Case(
        lambda key: build("realnvp", 3, key=key, context_dim=2, **_SMALL), 3, 2
    ),
    "maf": Case(lambda key: build("maf", 2, key=key, linear=True, **_SMALL), 2),
    "maf_context": Case(lambda key: build("maf", 2, key=key, context_dim=1, **_SMALL), 2, 1),
    "nsf": Case(lambda key: build("nsf", 2, key=key, bins=4, **_SMALL), 2),
    "nsf_one": Case(lambda key: build("nsf", 1, key=key, bins=4, **_SMALL), 1),
    "nsf_context": Case(
        lambda key: build("nsf", 3, key=key, context_dim=2, bins=4, linear=True, **_SMALL), 3, 2
    ),
    "nsf_coupling": Case(lambda key: build("nsf", 2, key=key, coupling=True, bins=4, **_SMALL), 2),
    "nsf_coupling_context": Case(
        lambda key: build("nsf", 5, key=key, coupling=True, context_dim=1, bins=4, **_SMALL), 5, 1
    ),
    "nsf_student_t": Case(
        lambda key: build("nsf", 2, key=key, bins=4, base=StudentT(2), **_SMALL), 2
    ),
}

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}
