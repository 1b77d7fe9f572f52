"""Residual-flow recipes: the same layers, with an exact or an estimated determinant."""

import jax
from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.models.stack import check_sizes
from pushforward.transforms.compose import Scan
from pushforward.transforms.residual import Residual


def iresnet(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 8,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "lipswish",
    base: Density | None = None,
) -> Pushforward:
    """Stack residual layers with exact determinants: `dim` derivatives each, for small events.

    Source behrmann2019iresnet
    """
    options = {"hidden": tuple(hidden), "activation": activation, "log_det": "exact"}
    return _residual_flow(dim, key, context_dim, layers, base, options)


def residual_flow(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 8,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "lipswish",
    base: Density | None = None,
) -> Pushforward:
    """Stack residual layers with unbiased estimates of their determinants, for events of any size.

    `estimate_log_prob(x, key=...)` answers, with a standard error; there is no `log_prob`.

    Source chen2019residual
    """
    options = {"hidden": tuple(hidden), "activation": activation, "log_det": "roulette"}
    return _residual_flow(dim, key, context_dim, layers, base, options)


def _residual_flow(
    dim: int, key: Array, context_dim: int, layers: int, base: Density | None, options: dict
) -> Pushforward:
    check_sizes(dim, context_dim, layers)
    stack = Scan(
        Residual(dim, key=layer_key, context_dim=context_dim, **options)
        for layer_key in jax.random.split(key, layers)
    )
    return Pushforward(stack, StandardNormal(dim) if base is None else base)
