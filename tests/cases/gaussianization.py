"""Layers that are found and not learned, their bases and their tails."""

import jax
import numpy as np

from cases.case import Case, own
from pushforward.core.keys import generator
from pushforward.densities import Pushforward, StandardNormal
from pushforward.fitting.greedy import find_layers
from pushforward.fitting.layers import gaussianization
from pushforward.fitting.memory import BlocksInMemory
from pushforward.transforms import Basis, Gaussianization, GreedyPlan, RadialSpline, Tails


def found(plan, dim=2):
    """Layers of a ring with a heavy tail, from few rows."""

    def make(key):
        rng = generator(key)
        angle, radius = rng.uniform(0, 2 * np.pi, 400), rng.normal(1, 0.2, 400)
        rows = [radius * np.cos(angle), radius * np.sin(angle), *rng.standard_t(4, (dim - 2, 400))]
        layers = find_layers(BlocksInMemory(np.stack(rows, 1), np.ones(400)), plan, rng).layers
        return gaussianization(dim, plan, layers)

    return make


def orthogonal(key, dim):
    return np.linalg.qr(np.asarray(jax.random.normal(key, (dim, dim))))[0]


TRANSFORMS = {
    "basis": Case(
        lambda key: Basis(orthogonal(key, 3)), 3, sparsity=np.ones((3, 3), bool), trains=False
    ),
    "tails": Case(
        lambda key: Tails([[-1.0, 2.0], [-1.5, 1.0]], [[0.3, 0.0], [0.5, 0.1]]),
        2,
        sparsity=own(2),
        trains=False,
    ),
    "radial_spline": Case(
        lambda key: RadialSpline(
            3, (np.array([-1.0, 0.0, 1.0]), np.array([-0.5, 0.0, 0.7]), np.array([1.0, 0.5, 1.5]))
        ),
        3,
        trains=False,
    ),
    "gaussianization": Case(found(GreedyPlan(layers=4)), 2, trains=False),
    "gaussianization_pareto": Case(found(GreedyPlan(4, "pca", tails="pareto"), 3), 3, trains=False),
    "gaussianization_open": Case(lambda key: Gaussianization(2), 2, sparsity=own(2), trains=False),
}

MODELS = {
    "rbig": Case(
        lambda key: Pushforward(found(GreedyPlan(3))(key), StandardNormal(2)), 2, trains=False
    ),
    "sinf": Case(
        lambda key: Pushforward(
            found(GreedyPlan(3, "sliced", directions=1), 3)(key), StandardNormal(3)
        ),
        3,
        trains=False,
    ),
}
