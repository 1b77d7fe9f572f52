"""Recipes for the torus and the sphere."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import Uniform
from pushforward.models.stack import Net, check_sizes, mixed
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.periodic import CircularSpline, IntervalSpline
from pushforward.transforms.permute import Permute


def torus_nsf(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    coupling: bool = False,
    layers: int = 4,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    activation: str = "relu",
    residual: bool = False,
) -> Pushforward:
    """Stack circular spline layers on the uniform law of the torus: angles in [−π, π].

    The density is continuous across −π = π, because nets see cosines and sines. Angles beyond
    [−π, π] have density zero; `transforms.wrap` brings them in.

    Source rezende2020tori
    """
    check_sizes(dim, context_dim, layers)
    net = Net(context_dim, hidden, activation, residual)
    parts = []
    for i, layer_key in enumerate(jax.random.split(key, layers)):
        order_key, net_key = jax.random.split(layer_key)
        core = net.layer(dim, CircularSpline(bins), coupling, net_key)
        parts.append(Chain([mixed(dim, i + 1, coupling, order_key), core]))
    turn = jnp.full(dim, math.pi)
    return Pushforward(Scan(parts), Uniform(-turn, turn))


def sphere_flow(
    dim: int = 2,
    *,
    key: Array,
    context_dim: int = 0,
    layers: int = 4,
    hidden: tuple[int, ...] = (64, 64),
    bins: int = 8,
    activation: str = "relu",
    residual: bool = False,
) -> Pushforward:
    """Stack layers on the uniform law of the sphere in space: rows (height, angle).

    In turn the angle is bent by a circular spline that the height decides, and the height by an
    interval's spline that the angle decides. The area is dh dθ, so that log p is per unit of
    area; `transforms.from_sphere` and `to_sphere` go to unit vectors and back. At the two poles
    themselves, where every angle is one point, the density may depend on the angle.

    Source rezende2020tori
    """
    if dim != 2 or layers < 1 or context_dim < 0:
        raise OptionError(
            f"dim={dim}, layers={layers}, context_dim={context_dim}",
            "dim = 2 (height and angle), layers ≥ 1, context_dim ≥ 0",
        )
    parts = []
    for layer_key in jax.random.split(key, layers):
        angle_key, height_key = jax.random.split(layer_key)
        layer = functools.partial(
            Coupling,
            2,
            context_dim=context_dim,
            hidden=tuple(hidden),
            activation=activation,
            residual=residual,
            n_kept=1,
        )
        turn = layer(CircularSpline(bins), key=angle_key, periodic=False)
        lift = layer(IntervalSpline(bins), key=height_key, periodic=True)
        swap = Permute([1, 0])
        parts.append(Chain([turn, swap, lift, swap]))
    edge = jnp.array([1.0, math.pi])
    return Pushforward(Scan(parts), Uniform(-edge, edge))
