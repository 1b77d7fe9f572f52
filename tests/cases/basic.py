"""The transforms that tables stand on, and what composes them."""

import jax
import jax.numpy as jnp
import numpy as np

from cases.case import Case, before, kept, knots, layer, own, spline
from pushforward.transforms import (
    LU,
    Affine,
    BoundedAffine,
    Chain,
    ContextShift,
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

TRANSFORMS = {
    "affine": Case(
        lambda key: Affine(jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0])), 2, sparsity=own(2)
    ),
    "bounded_affine": Case(lambda key: BoundedAffine(), 2, sparsity=own(2)),
    "exp": Case(lambda key: Exp(), 2, 0, 0.05, 5.0, (0.0, np.inf), sparsity=own(2), trains=False),
    "sigmoid": Case(
        lambda key: Sigmoid(), 2, 0, 0.02, 0.98, (0.0, 1.0), sparsity=own(2), trains=False
    ),
    "sinh": Case(lambda key: Sinh(), 2, sparsity=own(2), trains=False),
    "warp": Case(
        lambda key: Warp(
            ("identity", "arcsinh", "above", "below", "between"),
            np.zeros(5),
            np.full(5, 2.0),
            np.full(5, 0.7),
        ),
        5,
        low=0.1,
        high=1.9,
        support=((-np.inf, -np.inf, 0, -np.inf, 0), (np.inf, np.inf, np.inf, 2, 2)),
        sparsity=own(5),
        trains=False,
    ),
    "marginal_spline": Case(
        lambda key: MarginalSpline(knots(0, 3, 5)), 3, sparsity=own(3), trains=False
    ),
    "lu": Case(lambda key: LU(3), 3, sparsity=np.ones((3, 3), bool)),
    "context_shift": Case(lambda key: ContextShift(3, 2), 3, 2, sparsity=own(3)),
    "triangular": Case(
        lambda key: Triangular(jnp.ones(3), jnp.eye(3) + jnp.ones((3, 3)) / 2),
        3,
        sparsity=before(3),
    ),
    "permute": Case(lambda key: Permute([2, 0, 1]), 3, sparsity=own(3)[[1, 2, 0]], trains=False),
    "spline_2": Case(lambda key: RationalQuadraticSpline(2, 3.0), 2, sparsity=own(2)),
    "spline_8": Case(lambda key: RationalQuadraticSpline(8, 5.0), 2, sparsity=own(2)),
    "spline_16": Case(lambda key: RationalQuadraticSpline(16, 2.0), 1, sparsity=own(1)),
    "coupling_affine": Case(layer(Coupling, 3, BoundedAffine), 3, sparsity=kept(3, 1)),
    "coupling_affine_context": Case(
        layer(Coupling, 2, BoundedAffine, 2, activation="silu"),
        2,
        2,
        sparsity=kept(2, 1),
        blind=1,
    ),
    "coupling_spline": Case(layer(Coupling, 4, spline, residual=True), 4, sparsity=kept(4, 2)),
    "coupling_spline_context": Case(
        layer(Coupling, 2, spline, 1, activation="tanh"), 2, 1, sparsity=kept(2, 1), blind=1
    ),
    "autoregressive_affine": Case(
        layer(MaskedAutoregressive, 3, BoundedAffine), 3, sparsity=before(3)
    ),
    "autoregressive_affine_context": Case(
        layer(MaskedAutoregressive, 2, BoundedAffine, 2, activation="elu"),
        2,
        2,
        sparsity=before(2),
    ),
    "autoregressive_spline": Case(
        layer(MaskedAutoregressive, 4, spline, residual=True, hidden=(9, 9)),
        4,
        sparsity=before(4),
    ),
    "autoregressive_spline_context": Case(
        layer(MaskedAutoregressive, 3, spline, 2, activation="gelu", hidden=(7, 5)),
        3,
        2,
        sparsity=before(3),
    ),
    "autoregressive_one": Case(layer(MaskedAutoregressive, 1, spline), 1, sparsity=own(1)),
    "autoregressive_one_context": Case(
        layer(MaskedAutoregressive, 1, spline, 2), 1, 2, sparsity=own(1)
    ),
    # Three units cannot serve seven features: the pattern is not full.
    "autoregressive_narrow": Case(layer(MaskedAutoregressive, 7, BoundedAffine, hidden=(3,)), 7),
    "chain": Case(
        lambda key: Chain(
            [layer(Coupling, 3, BoundedAffine, 1)(key), LU(3), Permute([1, 2, 0]), Sinh()]
        ),
        3,
        1,
        blind=1,
    ),
    "scan": Case(
        lambda key: Scan(
            [
                Chain([layer(Coupling, 3, spline)(k), Permute([2, 0, 1])])
                for k in jax.random.split(key, 3)
            ]
        ),
        3,
    ),
    "invert": Case(
        lambda key: Invert(layer(MaskedAutoregressive, 3, BoundedAffine)(key)),
        3,
        sparsity=before(3),
    ),
    "frozen": Case(
        lambda key: Frozen(Chain([Affine(jnp.ones(2), jnp.full(2, 2.0)), Sinh()])),
        2,
        sparsity=own(2),
        trains=False,
    ),
}
