"""Recipes for heavy tails and for parts of a whole."""

import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StudentT
from pushforward.models.flows import nsf
from pushforward.transforms.compose import Chain
from pushforward.transforms.elementwise import Affine
from pushforward.transforms.spaces import StickBreaking


def taf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    df: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
) -> Pushforward:
    """Stack spline layers on Student-t laws with learned degrees of freedom, per feature.

    The layers are lines far out, so that a column's tail is as heavy as its base's. Tails: `df`
    is where ν starts.

    Source jaini2020tails
    """
    flow = nsf(
        dim,
        key=key,
        context_dim=context_dim,
        coupling=coupling,
        layers=layers,
        hidden=hidden,
        bins=bins,
        bound=bound,
        activation=activation,
        residual=residual,
        linear=linear,
        base=StudentT(dim, df),
    )
    scales = Affine(jnp.zeros(dim), jnp.ones(dim))
    return Pushforward(Chain([flow.transform, scales]), flow.density)


def simplex_nsf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    activation: str = "relu",
    residual: bool = False,
) -> Pushforward:
    """Break a stick into parts by a spline flow: the first `dim` of dim + 1 shares of a whole.

    log p is per unit of those `dim` shares; the last is what they leave of one.

    Source papamakarios2021flows
    """
    if dim < 1:
        raise OptionError(f"dim={dim}", "dim ≥ 1")
    flow = nsf(
        dim,
        key=key,
        context_dim=context_dim,
        coupling=coupling,
        layers=layers,
        hidden=hidden,
        bins=bins,
        activation=activation,
        residual=residual,
    )
    return Pushforward(Chain([flow.transform, StickBreaking(dim)]), flow.density)
