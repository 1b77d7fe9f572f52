"""The full-covariance Gaussian: the floor that every other model has to beat."""

import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.models.stack import check_sizes
from pushforward.transforms.compose import Chain
from pushforward.transforms.linear import ContextShift, Triangular


def gaussian(dim: int, *, key: Array, context_dim: int = 0) -> Pushforward:
    """Return a Gaussian with free mean and full covariance, starting at the standard one.

    With a context its mean is a linear function of it: linear regression.

    Source papamakarios2021flows
    """
    check_sizes(dim, context_dim, layers=1)
    scaling: Transform = Triangular(jnp.zeros(dim), jnp.eye(dim))
    if context_dim:
        scaling = Chain([scaling, ContextShift(dim, context_dim)])
    return Pushforward(scaling, StandardNormal(dim))
