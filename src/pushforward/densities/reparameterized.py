"""Samples as differentiable functions of a model's parameters, with their log-density."""

import jax
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import require_likelihood
from pushforward.core.types import DLogp, Features
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.resampled import Resampled


def is_reparameterized(density: Density) -> bool:
    """Tell whether samples carry the whole gradient with respect to the parameters.

    A mixture picks a component at random, rejection a draw, and a choice has no gradient.
    """
    return not any(map(_chooses, jax.tree.leaves(density, is_leaf=_chooses)))


def require_reparameterized(density: Density) -> None:
    """Raise unless a density has a likelihood, no context, and samples that carry its gradient."""
    require_likelihood(density.evidence)
    if density.context_dim:
        raise ShapeError(
            f"a model with a context of {density.context_dim} values", "a model without context"
        )
    if not is_reparameterized(density):
        raise OptionError(
            "a model with a mixture or a rejection in it",
            "samples that are differentiable in all parameters",
            "use a flow on one normal; others are learned from data, by fit",
        )


def sample_and_log_prob(
    density: Density, key: Array, n: int
) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
    """Draw n samples and return them with their log-density, in one pass through the layers.

    x = f(z),   log p(x) = log p(z) + dlogp.

    The samples are those of `density.sample(key, n)`; x and log p are differentiable with
    respect to the parameters, but for what a mixture or a rejection chooses.

    Raises
    ------
    EvidenceError : the density has only a bound or an estimate.
    ShapeError : it has a context.

    Source rezende2015
    """
    require_likelihood(density.evidence)
    if density.context_dim:
        raise ShapeError(
            f"a model with a context of {density.context_dim} values", "a model without context"
        )
    x, log_prob = _draw(density, key, n)
    return x.T, log_prob


def _draw(density: Density, key: Array, n: int) -> tuple[Features, DLogp]:
    if isinstance(density, Pushforward):
        base_key, key = jax.random.split(key)
        z, log_prob = _draw(density.density, base_key, n)
        x, dlogp = density.transform.forward(z, key=key)
        return x, log_prob + dlogp
    x = density._sample(key, n, None)
    return x, density._log_prob(x, None)


def _chooses(node: object) -> bool:
    return isinstance(node, Mixture | Resampled)
