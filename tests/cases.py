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
    """Say how to build a thing and on what it lives.

    make : takes a random key.
    dim, context_dim : sizes.
    low, high : where data points are drawn from, inside the support.
    slow : too slow to compile for the default run of every law.
    """

    make: Callable
    dim: int
    context_dim: int = 0
    low: float = -3.0
    high: float = 3.0
    slow: bool = False


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


def _spline():
    return RationalQuadraticSpline(4, 4.0)


TRANSFORMS = {
    "affine": Case(lambda key: Affine(jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0])), 2),
    "bounded_affine": Case(lambda key: BoundedAffine(), 2),
    "exp": Case(lambda key: Exp(), 2, low=0.05, high=5.0),
    "sigmoid": Case(lambda key: Sigmoid(), 2, low=0.02, high=0.98),
    "sinh": Case(lambda key: Sinh(), 2),
    "warp": Case(
        lambda key: Warp(
            ("identity", "arcsinh", "above", "below", "between"), np.zeros(5), np.full(5, 2.0)
        ),
        5,
        low=0.1,
        high=1.9,
    ),
    "marginal_spline": Case(lambda key: MarginalSpline(_knots(0, 3, 5)), 3),
    "lu": Case(lambda key: LU(3), 3),
    "triangular": Case(lambda key: Triangular(jnp.ones(3), jnp.eye(3) + jnp.ones((3, 3)) / 2), 3),
    "permute": Case(lambda key: Permute([2, 0, 1]), 3),
    "spline_2": Case(lambda key: RationalQuadraticSpline(2, 3.0), 2),
    "spline_8": Case(lambda key: RationalQuadraticSpline(8, 5.0), 2),
    "spline_16": Case(lambda key: RationalQuadraticSpline(16, 2.0), 1),
    "coupling_affine": Case(_layer(Coupling, 3, BoundedAffine), 3),
    "coupling_affine_context": Case(_layer(Coupling, 2, BoundedAffine, 2, activation="silu"), 2, 2),
    "coupling_spline": Case(_layer(Coupling, 4, _spline, residual=True), 4),
    "coupling_spline_context": Case(_layer(Coupling, 2, _spline, 1, activation="tanh"), 2, 1),
    "autoregressive_affine": Case(_layer(MaskedAutoregressive, 3, BoundedAffine), 3),
    "autoregressive_affine_context": Case(
        _layer(MaskedAutoregressive, 2, BoundedAffine, 2, activation="elu"), 2, 2
    ),
    "autoregressive_spline": Case(
        _layer(MaskedAutoregressive, 4, _spline, residual=True, hidden=(9, 9)), 4
    ),
    "autoregressive_spline_context": Case(
        _layer(MaskedAutoregressive, 3, _spline, 2, activation="gelu", hidden=(7, 5)), 3, 2
    ),
    "autoregressive_one": Case(_layer(MaskedAutoregressive, 1, _spline), 1),
    "autoregressive_one_context": Case(_layer(MaskedAutoregressive, 1, _spline, 2), 1, 2),
    "autoregressive_narrow": Case(_layer(MaskedAutoregressive, 7, BoundedAffine, hidden=(3,)), 7),
    "chain": Case(
        lambda key: Chain(
            [_layer(Coupling, 3, BoundedAffine, 1)(key), LU(3), Permute([1, 2, 0]), Sinh()]
        ),
        3,
        1,
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
    "invert": Case(lambda key: Invert(_layer(MaskedAutoregressive, 3, BoundedAffine)(key)), 3),
    "frozen": Case(lambda key: Frozen(Chain([Affine(jnp.ones(2), jnp.full(2, 2.0)), Sinh()])), 2),
}


def _on(base, dim=2):
    return lambda key: Pushforward(_layer(MaskedAutoregressive, dim, _spline)(key), base)


DENSITIES = {
    "standard_normal": Case(lambda key: StandardNormal(2), 2),
    "uniform": Case(lambda key: Uniform([-1.0, 0.0], [2.0, 0.5]), 2, low=0.01, high=0.49),
    "student_t": Case(lambda key: StudentT(2, 3.0), 2),
    "numpyro_scalar": Case(lambda key: NumPyroDensity(dist.Normal(1.0, 2.0)), 1),
    "numpyro_vector": Case(
        lambda key: NumPyroDensity(
            dist.MultivariateNormal(
                jnp.zeros(2), covariance_matrix=jnp.array([[1.0, 0.5], [0.5, 2.0]])
            )
        ),
        2,
    ),
    "numpyro_half_line": Case(
        lambda key: NumPyroDensity(dist.Gamma(jnp.array([2.0, 3.0])).to_event(1)),
        2,
        low=0.1,
        high=4.0,
    ),
    "pushforward_normal": Case(_on(StandardNormal(2)), 2),
    "pushforward_student_t": Case(_on(StudentT(2)), 2),
    "pushforward_numpyro": Case(
        _on(NumPyroDensity(dist.Laplace(jnp.zeros(2), 1.0).to_event(1))), 2
    ),
    "pushforward_exp": Case(
        lambda key: Pushforward(
            Chain([_layer(Coupling, 2, BoundedAffine)(key), Exp()]), StandardNormal(2)
        ),
        2,
        low=0.05,
        high=5.0,
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
    "maf_context": Case(lambda key: build("maf", 3, key=key, context_dim=1, **_SMALL), 3, 1),
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
