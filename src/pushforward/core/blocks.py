"""Many rows in blocks, one after the other: what is computed on the way stays in the cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

_NUMBERS = 1 << 18
"""Numbers of x in a block. A spline flow of 43 columns scores 20,000 rows in 0.5 of the time, and
beyond inputs and results its memory does not grow with the rows."""


def in_blocks(function: Callable[..., Any], *arrays: Array | None) -> Any:
    """Return function(*arrays) for arrays `(…, n)`, of which it treats every row alike.

    The results have n as their last axis too.
    """
    given = [a for a in arrays if a is not None]
    n, size = given[0].shape[-1], given[0].size
    blocks = -(-size // _NUMBERS)
    if given[0].ndim < 2 or blocks < 2:
        return function(*arrays)
    rows = -(-n // blocks)

    def split(array: Array) -> Array:
        padding = [(0, 0)] * (array.ndim - 1) + [(0, rows * blocks - n)]
        parts = jnp.pad(array, padding, "edge").reshape(*array.shape[:-1], blocks, rows)
        return jnp.moveaxis(parts, -2, 0)

    def joined(parts: Array) -> Array:
        whole = jnp.moveaxis(parts, 0, -2)
        return whole.reshape(*whole.shape[:-2], blocks * rows)[..., :n]

    cut = jax.tree.map(split, arrays)
    return jax.tree.map(joined, jax.lax.map(lambda parts: function(*parts), cut))
