"""Planar, radial and Sylvester layers, reflections and rotations."""

import jax.numpy as jnp

from cases.case import Case
from pushforward.transforms import Householder, Orthogonal, Planar, Radial, Sylvester

TRANSFORMS = {
    "planar": Case(lambda key: Planar(3, key=key), 3),
    "planar_one": Case(lambda key: Planar(1, key=key), 1),
    "planar_leaky": Case(lambda key: Planar(2, key=key, activation="leaky_relu"), 2),
    "radial": Case(lambda key: Radial([1.0, 0.0, -1.0], 2.0), 3),
    "radial_one": Case(lambda key: Radial(jnp.zeros(1)), 1),
    "sylvester": Case(lambda key: Sylvester(4, key=key, rank=2), 4),
    "sylvester_householder": Case(lambda key: Sylvester(3, key=key, basis="householder"), 3),
    "sylvester_triangular": Case(lambda key: Sylvester(3, key=key, basis="triangular"), 3),
    "householder": Case(lambda key: Householder(3, 2, key=key), 3),
    "orthogonal_cayley": Case(lambda key: Orthogonal(3), 3),
    "orthogonal_exponential": Case(lambda key: Orthogonal(3, "exponential"), 3),
}
