"""Any NumPyro distribution as a fixed density."""

import re
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key


class NumPyroDensity(Density):
    """Wrap a NumPyro distribution over vectors; its parameters stay fixed.

    Parameters
    ----------
    distribution : a `numpyro.distributions.Distribution` without batch shape and with an event
        shape of `()` or `(dim,)`; turn batch axes into event axes with `.to_event(1)`.

    Raises
    ------
    ShapeError : the distribution is a batch of laws, or its event is not a vector.
    OptionError : it has no normalized density (discrete, improper or a point mass).
    """

    distribution: Buffer
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT

    def __init__(self, distribution: Any):
        if distribution.batch_shape or len(distribution.event_shape) > 1:
            raise ShapeError(
                f"batch_shape {distribution.batch_shape}, event_shape {distribution.event_shape}",
                "batch_shape () and event_shape () or (dim,)",
                "call .to_event(1) on the distribution",
            )
        import numpyro.distributions as dist  # half a second, for those only who have one

        law = distribution.support
        if law.is_discrete or isinstance(
            distribution, dist.ImproperUniform | dist.Delta | dist.Unit
        ):
            raise OptionError(f"a {type(distribution).__name__}", "a law with a normalized density")
        self.distribution = Buffer(jax.tree.map(jnp.asarray, distribution))

    @property
    def dim(self) -> int:
        return self.distribution.value.event_shape[0] if self._is_vector else 1

    @property
    def support(self) -> str:
        constraint = self.distribution.value.support
        name = type(getattr(constraint, "base_constraint", constraint)).__name__
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip("_")).lower()

    @property
    def _is_vector(self) -> bool:
        return bool(self.distribution.value.event_shape)

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        law = self.distribution.value
        rows = jnp.moveaxis(x, 0, -1) if self._is_vector else x[0]
        inside = law.support(rows)
        kept = inside[..., None] if self._is_vector else inside
        # NumPyro's formulas hold inside the support only; outside it the density is zero.
        log_p = law.log_prob(jnp.where(kept, rows, law.support.feasible_like(rows)))
        unknown = jnp.isnan(x).any(0)
        return jnp.where(unknown, jnp.nan, jnp.where(inside, log_p, -jnp.inf))

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        rows = self.distribution.value.sample(key, (n,))
        return rows.T if self._is_vector else rows[None]
