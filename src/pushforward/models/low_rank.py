"""Recipes of layers that move points along, about or within something."""

from collections.abc import Callable

import jax
from jaxtyping import Array

from pushforward.core.bases import Density, Transform
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.models.stack import check_sizes
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.conditioning import Condition
from pushforward.transforms.permute import Permute, reverse_order
from pushforward.transforms.planar import Planar, Radial, Sylvester


def planar(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 10,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "tanh",
    base: Density | None = None,
) -> Pushforward:
    """Stack planar layers; `activation` is h, "tanh" or "leaky_relu". The context moves w, u, b.

    Source rezende2015
    """

    def layer(layer_key: Array) -> Transform:
        return Planar(dim, key=layer_key, activation=activation)

    return _stack(layer, None, dim, key, context_dim, layers, hidden, base)


def radial(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 10,
    hidden: tuple[int, ...] = (64, 64),
    base: Density | None = None,
) -> Pushforward:
    """Stack radial layers about random centres. The context moves centres, radii and pulls.

    Source rezende2015
    """

    def layer(layer_key: Array) -> Transform:
        return Radial(jax.random.normal(layer_key, (dim,)))

    return _stack(layer, None, dim, key, context_dim, layers, hidden, base)


def sylvester(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    rank: int | None = None,
    mixing: str = "orthogonal",
    base: Density | None = None,
) -> Pushforward:
    """Stack Sylvester layers; `mixing` is their basis: orthogonal, householder or triangular.

    With "triangular" the features are reversed between layers. The context moves the biases.

    Source vandenberg2018sylvester
    """

    def layer(layer_key: Array) -> Transform:
        return Sylvester(dim, key=layer_key, rank=rank, basis=mixing)

    turned = Permute(reverse_order(dim)) if mixing == "triangular" else None
    return _stack(layer, ("bias",), dim, key, context_dim, layers, hidden, base, turned)


def _stack(
    layer: Callable[[Array], Transform],
    names: tuple[str, ...] | None,
    dim: int,
    key: Array,
    context_dim: int,
    layers: int,
    hidden: tuple[int, ...],
    base: Density | None,
    between: Transform | None = None,
) -> Pushforward:
    check_sizes(dim, context_dim, layers)
    parts = []
    for layer_key in jax.random.split(key, layers):
        own_key, net_key = jax.random.split(layer_key)
        part = layer(own_key)
        if context_dim:
            part = Condition(part, context_dim, key=net_key, names=names, hidden=tuple(hidden))
        parts.append(part if between is None else Chain([part, between]))
    return Pushforward(Scan(parts), StandardNormal(dim) if base is None else base)
