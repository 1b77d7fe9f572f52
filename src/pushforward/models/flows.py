"""Flow recipes: functions that return a model."""

import warnings

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Invert, Scan
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.elementwise import BoundedAffine
from pushforward.transforms.linear import Triangular
from pushforward.transforms.permute import Permute, random_order, reverse_order
from pushforward.transforms.spline import RationalQuadraticSpline


def realnvp(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 6,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack affine coupling layers: each half scales and shifts the other, in turn.

    Source dinh2017realnvp
    """
    return _flow(
        dim,
        BoundedAffine(),
        True,
        key,
        context_dim,
        layers,
        hidden,
        activation,
        residual,
        linear,
        base,
    )


def maf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack masked affine autoregressive layers. With one column this is exactly a Gaussian.

    Source papamakarios2017maf
    """
    return _flow(
        dim,
        BoundedAffine(),
        False,
        key,
        context_dim,
        layers,
        hidden,
        activation,
        residual,
        linear,
        base,
    )


def nsf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 5,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    bound: float = 5.0,
    activation: str = "relu",
    residual: bool = False,
    linear: bool = False,
    base: Density | None = None,
) -> Pushforward:
    """Stack rational-quadratic spline layers, autoregressive or (`coupling=True`) coupling.

    Source durkan2019nsf
    """
    template = RationalQuadraticSpline(bins, bound)
    return _flow(
        dim,
        template,
        coupling,
        key,
        context_dim,
        layers,
        hidden,
        activation,
        residual,
        linear,
        base,
    )


def _flow(
    dim: int,
    template: Transform,
    coupling: bool,
    key: Array,
    context_dim: int,
    layers: int,
    hidden: tuple[int, ...],
    activation: str,
    residual: bool,
    linear: bool,
    base: Density | None,
) -> Pushforward:
    """Stack layers with reversed and random orders in between, the identity to begin with.

    With `linear`, each layer also learns a triangular map, which data pass by a matrix product.
    """
    if dim < 1 or layers < 1 or context_dim < 0:
        raise OptionError(
            f"dim={dim}, layers={layers}, context_dim={context_dim}",
            "dim ≥ 1, layers ≥ 1, context_dim ≥ 0",
        )
    if dim == 1 and not context_dim and isinstance(template, BoundedAffine):
        warnings.warn(
            "an affine flow of one column is a Gaussian whatever it learns; use nsf", stacklevel=3
        )
    layer = Coupling if coupling and dim > 1 else MaskedAutoregressive
    parts = []
    for i, layer_key in enumerate(jax.random.split(key, layers)):
        order_key, net_key = jax.random.split(layer_key)
        # Coupling: the reversal after even layers moves what those layers kept.
        reverse = i % 2 == (0 if coupling else 1) or dim == 2
        order = reverse_order(dim) if reverse else random_order(order_key, dim)
        core = layer(
            dim,
            template,
            key=net_key,
            context_dim=context_dim,
            hidden=tuple(hidden),
            activation=activation,
            residual=residual,
        )
        mixing = [Invert(Triangular(jnp.zeros(dim), jnp.eye(dim)))] if linear else []
        parts.append(Chain([*mixing, core, Permute(order)]))
    return Pushforward(Scan(parts), StandardNormal(dim) if base is None else base)
