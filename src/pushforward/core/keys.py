"""Random keys: always passed, never stored."""

import jax
import numpy as np
from jaxtyping import Array

from pushforward.core.errors import KeyRequiredError


def require_key(key: Array | None, layer: object) -> Array:
    """Return the key, or raise a clear error naming the layer that needs one."""
    if key is None:
        raise KeyRequiredError(
            f"{type(layer).__name__} was called without a key",
            "key=jax.random.key(seed): this layer draws random numbers",
        )
    return key


def generator(key: Array) -> np.random.Generator:
    """Return numpy's generator for a key: what is drawn on the host needs no compiled call."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def split_or_none(key: Array | None, n: int) -> tuple[Array | None, ...]:
    """Split a key for `n` parts; without a key every part gets none."""
    return (None,) * n if key is None else tuple(jax.random.split(key, n))
