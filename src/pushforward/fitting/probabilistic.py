"""The posterior of a NumPyro model as a target: a log-density on the real space."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro.infer.util import initialize_model

from pushforward.core.errors import OptionError


@dataclasses.dataclass(frozen=True)
class NumPyroTarget:
    """Hold what variational learning asks of a NumPyro model's posterior.

    Parameters
    ----------
    log_prob : unnormalized log-density of the unconstrained latents, rows `(n, dim)` to `(n,)`;
        its normalizing constant is the model's evidence.
    constrain : rows `(n, dim)` to a dictionary of the model's sites, latent and deterministic, in
        the model's own terms, each with n first.
    start : a point `(dim,)` that the model's prior thinks possible.
    dim : number of unconstrained latent values.
    """

    log_prob: Callable
    constrain: Callable
    start: Float[Array, " dim"]
    dim: int


def numpyro_target(model: Callable, arguments: tuple = (), *, key: Array) -> NumPyroTarget:
    """Turn a NumPyro model with observed sites into a target of `fit_to_target`.

    log p̃(u) = log p(z(u), data) + log|det ∂z/∂u|,   u the latents on the real line.

    Parameters
    ----------
    model : a NumPyro model whose latent sites are continuous.
    arguments : what it is called with.
    key : random key, for the starting point.

    Source phan2019numpyro
    """
    found = initialize_model(key, model, model_args=arguments, validate_grad=False)
    start, unravel = ravel_pytree(found.param_info.z)
    if not start.size:
        raise OptionError("a model without latent sites", "at least one continuous latent site")

    def log_prob(rows: Any) -> Float[Array, " n"]:
        return jax.vmap(lambda row: -found.potential_fn(unravel(row)))(jnp.asarray(rows))

    def constrain(rows: Any) -> dict[str, Array]:
        return jax.vmap(lambda row: found.postprocess_fn(unravel(row)))(jnp.asarray(rows))

    return NumPyroTarget(log_prob, constrain, start, start.size)
