"""Mixtures of Gaussians, with or without a context."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.densities.gaussian import gaussian_mixture
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.nets.mlp import Trunk
from pushforward.transforms.compose import Chain
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.elementwise import Affine
from pushforward.transforms.linear import Triangular


def mixture(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    components: int = 10,
    full: bool = True,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
) -> Mixture:
    """Mix Gaussians of equal weight with means drawn from the standard normal.

    `full` covariances or diagonal ones. With a context this is a mixture density network: nets
    of the context move the weights, the means and the scales, but not the correlations.

    Source pearson1894, bishop1994mixture
    """
    if dim < 1 or components < 1 or context_dim < 0:
        raise OptionError(
            f"dim={dim}, components={components}, context_dim={context_dim}",
            "dim ≥ 1, components ≥ 1, context_dim ≥ 0",
        )
    mean_key, gate_key, key = jax.random.split(key, 3)
    means = jax.random.normal(mean_key, (components, dim))
    if not context_dim:
        scales = jnp.ones((components, dim))
        return gaussian_mixture(means, jax.vmap(jnp.diag)(scales) if full else scales)
    nets = {"context_dim": context_dim, "hidden": tuple(hidden), "activation": activation}
    parts = []
    for mean, net_key in zip(means, jax.random.split(key, components), strict=True):
        layer = Coupling(dim, Affine(), key=net_key, n_kept=0, **nets)
        layer = eqx.tree_at(lambda c: c.heads.template.loc, layer, mean)
        correlate = [Triangular(jnp.zeros(dim), jnp.eye(dim))] if full else []
        parts.append(Pushforward(Chain([*correlate, layer]), StandardNormal(dim)))
    return Mixture(parts, gate=Trunk(0, key=gate_key, **nets))
