"""What is made of transforms: networks of parents, conditions, features in groups."""

import jax.numpy as jnp
import numpy as np

from cases.case import Case, layer, own, spline
from pushforward.transforms import (
    Affine,
    BoundedAffine,
    Concatenate,
    Condition,
    Coupling,
    Exp,
    Invert,
    MaskedAutoregressive,
    Planar,
    Radial,
    Sigmoid,
    Sylvester,
)

PARENTS = ((), (0,), (), (0, 2), (1,))


def _network():
    flags = own(5)
    for j, group in enumerate(PARENTS):
        flags[j, list(group)] = True
    return flags


def _network_layer(context_dim=0):
    return layer(MaskedAutoregressive, 5, spline, context_dim, hidden=(12, 12), parents=PARENTS)


def _blocks():
    flags = np.zeros((5, 5), bool)
    flags[:2, :2] = own(2)
    flags[2:, 2:] = np.tri(3, dtype=bool)
    return flags


TRANSFORMS = {
    "autoregressive_network": Case(_network_layer(), 5, sparsity=_network()),
    "autoregressive_network_context": Case(_network_layer(2), 5, 2, sparsity=_network()),
    "inverse_autoregressive_context": Case(
        lambda key: Invert(layer(MaskedAutoregressive, 3, BoundedAffine, 1)(key)), 3, 1
    ),
    "condition_planar": Case(
        lambda key: Condition(Planar(2, key=key), 2, key=key, hidden=(8, 8)), 2, 2
    ),
    "condition_radial": Case(
        lambda key: Condition(Radial(jnp.zeros(2)), 1, key=key, hidden=(8,)), 2, 1
    ),
    "condition_sylvester": Case(
        lambda key: Condition(
            Sylvester(3, key=key, rank=2), 2, key=key, names=("bias",), hidden=(8,)
        ),
        3,
        2,
    ),
    "concatenate": Case(
        lambda key: Concatenate(
            [
                Coupling(2, Affine(), key=key, hidden=(4,), n_kept=0, context_dim=1),
                layer(MaskedAutoregressive, 3, BoundedAffine, 1)(key),
            ],
            (2, 3),
        ),
        5,
        1,
        sparsity=_blocks(),
    ),
    "concatenate_bounded": Case(
        lambda key: Concatenate([Exp(), Sigmoid()], (1, 2)),
        3,
        low=0.1,
        high=0.9,
        support=((0, 0, 0), (np.inf, 1, 1)),
        sparsity=own(3),
        trains=False,
    ),
}
