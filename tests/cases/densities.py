"""Densities: bases, and flows on them."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from cases.case import Case, layer, spline
from pushforward.densities import NumPyroDensity, Pushforward, StandardNormal, StudentT, Uniform
from pushforward.transforms import BoundedAffine, Chain, Coupling, Exp, MaskedAutoregressive


def _on(base, dim=2):
    return lambda key: Pushforward(layer(MaskedAutoregressive, dim, spline)(key), base())


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
            Chain([layer(Coupling, 2, BoundedAffine)(key), Exp()]), StandardNormal(2)
        ),
        2,
        low=0.05,
        high=5.0,
        support=(0.0, np.inf),
    ),
}
