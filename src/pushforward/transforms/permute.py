"""Reordering of features: volume is kept."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key


class Permute(Transform):
    """Reorder the features: x_i = z_{order[i]}, dlogp = 0.

    Parameters
    ----------
    order : a permutation of 0 … dim − 1.
    """

    order: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, order: object):
        if not isinstance(order, Tracer):
            order = np.asarray(order)
            if order.ndim != 1 or not np.array_equal(np.sort(order), np.arange(order.size)):
                raise OptionError(f"order {order.tolist()}", "each of 0 … dim − 1 exactly once")
        self.order = Buffer(jnp.asarray(order, jnp.int32))

    @property
    def dim(self) -> int:
        return self.order.value.shape[0]

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return z[self.order.value], jnp.zeros(z.shape[1:], z.dtype)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return x[jnp.argsort(self.order.value)], jnp.zeros(x.shape[1:], x.dtype)


def reverse_order(dim: int) -> np.ndarray:
    """Return dim − 1 … 0."""
    return np.arange(dim)[::-1]


def random_order(key: Array, dim: int) -> Array:
    """Return a random order of the features."""
    return jnp.argsort(jax.random.bits(key, (dim,)))
