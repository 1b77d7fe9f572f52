"""Maximum likelihood."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.fitting.batch import Batch


def negative_log_likelihood(
    model: Density, batch: Batch, key: Array
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """Return the mean negative log-likelihood of a batch: −Σ wᵢ log p(xᵢ | cᵢ), in nats.

    Source papamakarios2021flows
    """
    log_prob = model.log_prob(batch.x, batch.context)
    return -jnp.where(batch.weights > 0, batch.weights * log_prob, 0.0).sum(), {}
