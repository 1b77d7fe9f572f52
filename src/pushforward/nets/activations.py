"""Activation functions by name, so that a net's static fields stay hashable."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pushforward.core.errors import OptionError

ACTIVATIONS: dict[str, Callable] = {
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "elu": jax.nn.elu,
    "tanh": jnp.tanh,
}


def activation(name: str) -> Callable:
    """Return the function of that name, or say which names exist."""
    if name not in ACTIVATIONS:
        raise OptionError(f"activation {name!r}", f"one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
