"""Recipes for categorical data."""

import jax
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.densities.discrete import DiscreteFlow, ModularShift


def discrete_flow(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    categories: int = 2,
    coupling: bool = False,
    layers: int = 2,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    temperature: float = 0.1,
) -> DiscreteFlow:
    """Stack modular shifts of codes 0 … categories − 1 on a law of independent codes.

    Source tran2019discrete
    """
    if layers < 1:
        raise OptionError(f"layers={layers}", "layers ≥ 1")
    parts = tuple(
        ModularShift(
            dim,
            categories,
            key=layer_key,
            context_dim=context_dim,
            coupling=coupling and dim > 1,
            hidden=tuple(hidden),
            activation=activation,
            residual=residual,
            temperature=temperature,
        )
        for layer_key in jax.random.split(key, layers)
    )
    return DiscreteFlow(parts, dim, categories, context_dim)
