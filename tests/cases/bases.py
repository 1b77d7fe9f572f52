"""Bases with learned parameters, mixtures, and flows that stand on them."""

import jax
import jax.numpy as jnp
import numpy as np

from cases.case import Case, layer, spline
from pushforward.densities import (
    Logistic,
    Mixture,
    Pushforward,
    Resampled,
    StandardNormal,
    StudentT,
    diagonal_gaussian,
    full_gaussian,
    gaussian_mixture,
)
from pushforward.models import build
from pushforward.transforms import Affine, BoundedAffine, Chain, Coupling, Exp

_TILTED = jnp.array([[1.0, 0.0], [0.8, 0.5]])
_MEANS = jnp.array([[-2.0, 0.0], [1.0, 1.0], [0.5, -1.5]])


def _flows(key, base=StandardNormal):
    return [Pushforward(layer(Coupling, 2, spline)(k), base(2)) for k in jax.random.split(key, 2)]


DENSITIES = {
    "diagonal_gaussian": Case(lambda key: diagonal_gaussian([1.0, -1.0], [0.5, 2.0]), 2),
    "full_gaussian": Case(lambda key: full_gaussian(jnp.ones(2), _TILTED), 2),
    "logistic": Case(lambda key: Logistic(2), 2, trains=False),
    "logistic_affine": Case(
        lambda key: Pushforward(Affine(jnp.ones(2), jnp.full(2, 0.5)), Logistic(2)), 2
    ),
    "resampled": Case(lambda key: Resampled(2, key=key, hidden=(8,)), 2),
    "resampled_two_rounds": Case(
        lambda key: Pushforward(
            Affine(jnp.ones(1), jnp.full(1, 0.5)), Resampled(1, key=key, hidden=(8, 8), rounds=2)
        ),
        1,
    ),
    "mixture_diagonal": Case(
        lambda key: gaussian_mixture(_MEANS, jnp.ones((3, 2)) / 2, jnp.array([0.0, 1.0, -1.0])), 2
    ),
    "mixture_full": Case(
        lambda key: gaussian_mixture(_MEANS, jnp.stack([_TILTED, jnp.eye(2), _TILTED / 2])), 2
    ),
    "mixture_flows": Case(lambda key: Mixture(_flows(key)), 2),
    "mixture_student_t": Case(lambda key: Mixture(_flows(key, StudentT)), 2),
    "mixture_positive": Case(
        lambda key: Mixture(
            [
                Pushforward(Chain([Affine(jnp.full(2, m)), Exp()]), StandardNormal(2))
                for m in (-1.0, 1.0)
            ]
        ),
        2,
        low=0.05,
        high=5.0,
        support=(0.0, np.inf),
    ),
    "flow_on_mixture": Case(
        lambda key: Pushforward(
            layer(Coupling, 2, BoundedAffine)(key), gaussian_mixture(_MEANS, jnp.ones((3, 2)))
        ),
        2,
    ),
    "mixture_recipe": Case(lambda key: build("mixture", 2, key=key, components=3), 2),
    "mixture_recipe_context": Case(
        lambda key: build("mixture", 2, key=key, context_dim=2, components=3, hidden=(8,)), 2, 2
    ),
    "mixture_recipe_context_diagonal": Case(
        lambda key: build(
            "mixture", 3, key=key, context_dim=1, components=2, hidden=(8, 8), full=False
        ),
        3,
        1,
    ),
}
