"""The logistic law: a base with tails heavier than the normal's."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from pushforward.core.bases import Density
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key


class Logistic(Density):
    """Independent standard logistic laws: log p(x) = −Σ |x| + 2 log(1 + exp(−|x|)).

    Its tails fall as exp(−|x|). An `Affine` in front gives it a learned place and scale.

    Parameters
    ----------
    dim : event size.

    Source dinh2015nice
    """

    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        size = jnp.abs(x)
        return -(size + 2 * jnp.log1p(jnp.exp(-size))).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        return jax.random.logistic(key, (self.dim, n))
