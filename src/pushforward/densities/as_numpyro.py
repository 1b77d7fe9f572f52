"""The way back: any of our densities as a NumPyro distribution, for its models and guides."""

import math
from typing import Any

import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Float
from numpyro.distributions import constraints
from numpyro.distributions.util import validate_sample

from pushforward.core.bases import Density
from pushforward.core.border import check_context
from pushforward.core.errors import OptionError
from pushforward.core.evidence import require_likelihood
from pushforward.densities.numpyro import NumPyroDensity
from pushforward.densities.reparameterized import is_reparameterized
from pushforward.densities.standard import Uniform

_CONSTRAINTS = {
    "real": constraints.real_vector,
    "positive": constraints.independent(constraints.positive, 1),
    "unit_interval": constraints.independent(constraints.unit_interval, 1),
}
"""NumPyro's word for the supports that a name says all about."""


class DensityDistribution(dist.Distribution):
    """A density as a NumPyro distribution over vectors; made by `to_numpyro`."""

    arg_constraints: dict = {}  # noqa: RUF012  (NumPyro's convention)
    pytree_data_fields = ("density", "context", "_support")

    def __init__(
        self,
        density: Density,
        context: Array | None,
        support: Any,
        *,
        validate_args: bool | None = None,
    ):
        self.density, self.context, self._support = density, context, support
        batch = () if context is None else context.shape[:-1]
        dist.Distribution.__init__(
            self, batch_shape=batch, event_shape=(density.dim,), validate_args=validate_args
        )

    @property
    def support(self) -> Any:
        return self._support

    @property
    def has_rsample(self) -> bool:
        return is_reparameterized(self.density)

    def sample(
        self, key: Array | None, sample_shape: tuple[int, ...] = ()
    ) -> Float[Array, "*out dim"]:
        """Draw samples of shape `(*sample_shape, *batch_shape, dim)`."""
        if key is None:
            raise OptionError("sample without a key", "a jax.random.key")
        draws = self.density.sample(key, math.prod(sample_shape), self.context)
        return draws.reshape(*sample_shape, *draws.shape[1:])

    @validate_sample
    def log_prob(self, value: ArrayLike) -> Float[Array, "*out"]:
        """Return the log-density of `value`, nats."""
        return self.density.log_prob(value, self.context)


def to_numpyro(
    density: Density, context: ArrayLike | None = None, *, support: Any = None
) -> DensityDistribution:
    """Return a density as a NumPyro distribution: as a prior, a likelihood or a guide.

    It is a pytree, so that it passes through `jit`, `vmap`, plates, NUTS and SVI. To learn its
    parameters inside NumPyro, register those of `pf.partition(density)` by `numpyro.param`.

    Parameters
    ----------
    density : any density with a likelihood; the event shape is `(dim,)`.
    context : rows of the conditioning value; their leading axes are the batch shape.
    support : a NumPyro constraint on the vector; needed where the density's own support is
        neither the real space, nor positive, nor an interval.

    Raises
    ------
    EvidenceError : the density has only a bound or an estimate.
    OptionError : NumPyro has no word for the support.

    Source phan2019numpyro
    """
    require_likelihood(density.evidence)
    given = check_context(context, density.context_dim)
    return DensityDistribution(density, given, _constraint(density) if support is None else support)


def _constraint(density: Density) -> Any:
    if isinstance(density, Uniform):
        interval = constraints.interval(density.low.value, density.high.value)
        return constraints.independent(interval, 1)
    if isinstance(density, NumPyroDensity):
        law = density.distribution.value
        return law.support if law.event_shape else constraints.independent(law.support, 1)
    if density.support not in _CONSTRAINTS:
        raise OptionError(
            f"a density with support {density.support!r}",
            f"one of {', '.join(_CONSTRAINTS)}, or support= a NumPyro constraint",
        )
    return _CONSTRAINTS[density.support]
