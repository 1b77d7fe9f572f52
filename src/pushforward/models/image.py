"""Image recipes: couplings by convolution nets, at several scales."""

import math
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.models.stack import affine
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.image import (
    ActNorm,
    ImageCoupling,
    Shape,
    checked_shape,
    conv1x1,
    squeeze,
)
from pushforward.transforms.leading import Leading
from pushforward.transforms.permute import Permute

MAX_LEVELS = 3
"""Levels that are chosen at most; more can be asked for."""


def glow(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    shape: Shape | None = None,
    levels: int | None = None,
    layers: int = 4,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    base: Density | None = None,
) -> Pushforward:
    """Stack scalings, 1 × 1 convolutions and affine couplings by convolution nets.

    `shape` = (channels, height, width), with product dim; without it the features are the channels
    of one pixel. Each of `levels` folds 2 × 2 pixels into channels, applies `layers` steps, and
    lets half of the channels go, given the rest by a last coupling. By default as many levels as
    the sides allow, 3 at most.

    Source kingma2018glow
    """

    def steps(shape: Shape, key: Array) -> list[list[list[Transform]]]:
        out = []
        for step_key in jax.random.split(key, layers):
            net_key, order_key = jax.random.split(step_key)
            scaling = ActNorm(shape[0], shape[1] * shape[2])
            out.append([coupling(shape, net_key), conv1x1(shape, key=order_key), scaling])
        return [out]

    coupling = _coupling(layers, context_dim, tuple(hidden), activation)
    return _multiscale(dim, shape, levels, layers, key, base, steps, coupling)


def realnvp_image(
    dim: int,
    *,
    key: Array,
    context_dim: int = 0,
    shape: Shape | None = None,
    levels: int | None = None,
    layers: int = 4,
    hidden: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    base: Density | None = None,
) -> Pushforward:
    """Stack affine couplings by convolution nets: checkerboards first, then rows of pixels.

    As `glow`, but with fixed orders: in each level, `layers` couplings between the two colours of
    a checkerboard (the diagonals of 2 × 2 pixels) and as many between even and odd rows.

    Source dinh2017realnvp
    """

    def steps(shape: Shape, key: Array) -> list[list[list[Transform]]]:
        count, half = math.prod(shape), shape[0] // 2 * shape[1] * shape[2]
        swapped = Permute(np.roll(np.arange(count), half))
        keys = jax.random.split(key, 2 * layers)
        out = [[coupling(shape, k), swapped, ActNorm(shape[0], shape[1] * shape[2])] for k in keys]
        if shape[0] % 4:
            return [out]
        # [↖ ↘ | ↗ ↙] to [↖ ↗ | ↘ ↙]: a reordering of quarters that undoes itself.
        quarters = np.arange(count).reshape(4, -1)[[0, 2, 1, 3]].ravel()
        return [out[:layers], [[Permute(quarters)]], out[layers:]]

    coupling = _coupling(2 * layers, context_dim, tuple(hidden), activation)
    return _multiscale(dim, shape, levels, layers, key, base, steps, coupling)


def _coupling(count: int, context_dim: int, hidden: tuple[int, ...], activation: str) -> Callable:
    """Return what builds a coupling, one of `count` that share a level's range of scales."""

    def build(shape: Shape, key: Array) -> ImageCoupling:
        # A single pixel has no neighbours: the other eight taps would only see zeros.
        kernel = 3 if shape[1] * shape[2] > 1 else 1
        return ImageCoupling(
            shape,
            affine(count),
            key=key,
            context_dim=context_dim,
            hidden=hidden,
            activation=activation,
            kernel=kernel,
        )

    return build


def _multiscale(
    dim: int,
    shape: Shape | None,
    levels: int | None,
    layers: int,
    key: Array,
    base: Density | None,
    steps: Callable[[Shape, Array], list[list[list[Transform]]]],
    coupling: Callable[[Shape, Array], Transform],
) -> Pushforward:
    """Build levels from the data down; each is groups of equal steps, latent to data."""
    shape = checked_shape((dim, 1, 1) if shape is None else shape)
    possible = _halvings(shape[1:])
    count = min(possible, MAX_LEVELS) if levels is None else levels
    if math.prod(shape) != dim:
        raise ShapeError(f"shape {shape} for dim={dim}", "channels · height · width = dim")
    if layers < 1 or not 0 <= count <= possible:
        raise OptionError(f"layers={layers}, levels={levels}", f"layers ≥ 1, levels ≤ {possible}")
    parts: list[Transform] = []  # data first
    for level in range(max(count, 1)):
        if count:
            parts.append(_led(squeeze(shape), dim))
            shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        level_key, last_key, key = jax.random.split(key, 3)
        for group in reversed(steps(shape, level_key)):
            chains = [Chain(_led(part, dim) for part in step) for step in group]
            parts.append(Scan(chains) if len(chains) > 1 else chains[0])
        if level < count - 1:
            # What leaves is Gaussian given what stays: a coupling of a standard normal.
            parts.append(_led(coupling(shape, last_key), dim))
            shape = (shape[0] // 2, *shape[1:])
    return Pushforward(Chain(reversed(parts)), StandardNormal(dim) if base is None else base)


def _led(part: Transform, dim: int) -> Transform:
    return part if part.dim == dim else Leading(part, dim)


def _halvings(sides: Sequence[int]) -> int:
    """Return how often both sides can be halved."""
    count = 0
    while all(side % 2 ** (count + 1) == 0 for side in sides):
        count += 1
    return count
