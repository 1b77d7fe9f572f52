"""The full-covariance Gaussian: the floor that every other model has to beat."""

import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.linear import Triangular


def gaussian(dim: int, *, key: Array, context_dim: int = 0) -> Pushforward:
    """Return a Gaussian with free mean and full covariance, starting at the standard one.

    Source papamakarios2021flows
    """
    if context_dim:
        raise OptionError("a Gaussian with a context", "context_dim=0", "use a flow: nsf, maf")
    return Pushforward(Triangular(jnp.zeros(dim), jnp.eye(dim)), StandardNormal(dim))
