"""Maximum likelihood, of the number itself or of what stands for it."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.evidence import Evidence
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.resampled import redrawn
from pushforward.fitting.batch import Batch


def negative_log_likelihood(
    model: Density, batch: Batch, key: Array
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """Return the mean negative log-likelihood of a batch: −Σ wᵢ log p(xᵢ | cᵢ), in nats.

    The key is for the points of a `Resampled` base; other models do not need it.

    Source papamakarios2021flows
    """
    log_prob = redrawn(model, key).log_prob(batch.x, batch.context)
    return -jnp.where(batch.weights > 0, batch.weights * log_prob, 0.0).sum(), {}


def negative_elbo(
    model: Pushforward, batch: Batch, key: Array
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """Return the mean negative bound of a batch, from one draw a row, in nats.

    Source nielsen2020survae
    """
    bound = model.elbo(batch.x, batch.context, key=key, n=1).value
    return -jnp.where(batch.weights > 0, batch.weights * bound, 0.0).sum(), {}


def negative_estimate(
    model: Pushforward, batch: Batch, key: Array
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """Return an unbiased estimate of a batch's mean negative log-likelihood, one draw a row.

    Source chen2019residual
    """
    estimate = model.estimate_log_prob(batch.x, batch.context, key=key, n=1).value
    return -jnp.where(batch.weights > 0, batch.weights * estimate, 0.0).sum(), {}


def usual_objective(model: Any) -> Callable:
    """Return the objective of a model: its likelihood, or what its evidence has instead."""
    if isinstance(model, Pushforward):
        if model.evidence == Evidence.BOUND:
            return negative_elbo
        if model.evidence == Evidence.ESTIMATE:
            return negative_estimate
    return negative_log_likelihood
