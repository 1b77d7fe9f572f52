"""Recipes of maps that are not one-to-one."""

import jax
from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.densities.preimage import Abs, HalfNormal, PreimageSum
from pushforward.densities.pushforward import Pushforward
from pushforward.models.flows import nsf
from pushforward.transforms.surjection import RandomSigns


def abs_flow(
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
    base: Density | None = None,
) -> PreimageSum:
    """Fold a spline flow at zero, x = |w|: rows without negative values, zero included.

    The density need not fall off towards zero, unlike that of an exponential. All 2^dim
    preimages are summed: at most ten columns.

    Source nielsen2020survae
    """
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
        base=base,
    )
    return PreimageSum(Abs(dim), flow)


def rad(
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
    base: Density | None = None,
) -> Pushforward:
    """Put a spline flow on a law of sizes (real) and signs (discrete): 2^dim pieces of space.

    The sizes are half-normal (`base`: any density with support "nonnegative"), and a net shares
    each one's mass out among the signs. It begins as the spline flow on a standard normal.

    Source dinh2019rad
    """
    flow_key, sign_key = jax.random.split(key)
    signs = RandomSigns(
        dim,
        key=sign_key,
        context_dim=context_dim,
        hidden=tuple(hidden),
        activation=activation,
        residual=residual,
    )
    return nsf(
        dim,
        key=flow_key,
        context_dim=context_dim,
        coupling=coupling,
        layers=layers,
        hidden=hidden,
        bins=bins,
        activation=activation,
        residual=residual,
        base=Pushforward(signs, HalfNormal(dim) if base is None else base),
    )
