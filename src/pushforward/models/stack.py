"""What flow recipes have in common: equal layers of one template, mixed by orders in between."""

import dataclasses
import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError
from pushforward.core.numerics import MAX_LOG_SCALE
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Invert, made_at_once
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.elementwise import BoundedAffine, Shift
from pushforward.transforms.linear import Triangular
from pushforward.transforms.permute import Permute, random_order, reverse_order

AFFINE_RANGE = 9.0
"""What the |log σ| of a stack's affine layers add up to at most, e⁹ in all: nets extrapolate
between and beyond the data, and without it a single row far from them can cost 10⁵ nats."""


def affine(layers: int) -> BoundedAffine:
    """Return the template of one of so many affine layers, with its share of the range."""
    return BoundedAffine(min(MAX_LOG_SCALE, AFFINE_RANGE / max(layers, 1)))


@dataclasses.dataclass(frozen=True)
class Net:
    """Hold the options of a layer's net.

    Parameters
    ----------
    context_dim, hidden, activation, residual : as of the layers.
    parents : for each feature, the earlier ones it depends on; every layer then keeps the
        features' order, and the whole flow the network's. None for orders that change.
    partial : whether features may be absent, marked NaN.
    """

    context_dim: int
    hidden: tuple[int, ...]
    activation: str
    residual: bool
    parents: tuple[tuple[int, ...], ...] | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.parents is not None:
            object.__setattr__(self, "parents", tuple(map(tuple, self.parents)))

    def layer(self, dim: int, template: Transform, coupling: bool, key: Array) -> Transform:
        """Return a coupling or autoregressive layer; one feature alone has nothing to keep."""
        kind = Coupling if coupling and dim > 1 else MaskedAutoregressive
        if self.parents is not None:
            if coupling:
                raise OptionError("parents of a coupling flow", "coupling=False")
            kind = functools.partial(MaskedAutoregressive, parents=self.parents)
        return kind(
            dim,
            template,
            key=key,
            context_dim=self.context_dim,
            hidden=self.hidden,
            activation=self.activation,
            residual=self.residual,
            partial=self.partial,
        )


def flow(
    dim: int,
    template: Transform,
    net: Net,
    *,
    key: Array,
    layers: int,
    coupling: bool,
    linear: bool,
    base: Density | None,
    inverted: bool = False,
) -> Pushforward:
    """Stack layers with reversed and random orders in between, the identity to begin with.

    With `linear`, each layer also learns a triangular map, which data pass by a matrix product;
    with `inverted`, each layer samples in one call of its net and solves for the latent.
    """
    check_sizes(dim, net.context_dim, layers)
    if linear and net.parents is not None:
        raise OptionError("linear=True with parents", "linear=False: it would mix the features")
    if dim == 1 and not net.context_dim and isinstance(template, BoundedAffine | Shift):
        warnings.warn(
            "an affine flow of one column is a Gaussian whatever it learns; use nsf", stacklevel=3
        )
    shared = dim, template, net, coupling, linear, inverted
    stack = made_at_once(_layer, shared, np.arange(layers), jax.random.split(key, layers))
    return Pushforward(stack, StandardNormal(dim, net.partial) if base is None else base)


def _layer(
    dim: int,
    template: Transform,
    net: Net,
    coupling: bool,
    linear: bool,
    inverted: bool,
    number: Array,
    key: Array,
) -> Chain:
    order_key, net_key = jax.random.split(key)
    core = net.layer(dim, template, coupling, net_key)
    core = Invert(core) if inverted else core
    triangle = Triangular(jnp.zeros(dim), jnp.eye(dim), net.partial)
    mixing = [Invert(triangle)] if linear else []
    order = [] if net.parents is not None else [mixed(dim, number, coupling, order_key)]
    return Chain([*mixing, core, *order])


def mixed(dim: int, layer: int | Array, coupling: bool, key: Array) -> Permute:
    """Return the order after a layer, counted from zero: every other one a reversal.

    Coupling: the reversal after even layers moves what those layers kept.
    """
    reverse = (layer % 2 == (0 if coupling else 1)) | (dim == 2)
    return Permute(jnp.where(reverse, reverse_order(dim), random_order(key, dim)))


def check_sizes(dim: int, context_dim: int, layers: int) -> None:
    """Raise where there is no feature, no layer, or a context of negative size."""
    if dim < 1 or layers < 1 or context_dim < 0:
        raise OptionError(
            f"dim={dim}, layers={layers}, context_dim={context_dim}",
            "dim ≥ 1, layers ≥ 1, context_dim ≥ 0",
        )
