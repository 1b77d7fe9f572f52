"""Bins of a monotone spline on [−B, B]: which one holds a value, and how large it is."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.core.types import Features

MIN_BIN = 1e-3
"""Least bin width and height as a share of the box, so that no slope h/w leaves [1e-3, 1e3]."""


class Bin(NamedTuple):
    """Hold the bin of each value: its lower left corner, its size, and the sizes of all bins.

    `beyond` tells for each inner knot whether the value lies beyond it; `pick` reads it.
    """

    x_low: Array
    y_low: Array
    width: Array
    height: Array
    beyond: list[Array]
    widths: list[Array]
    heights: list[Array]


def check_bins(bins: int, bound: float) -> None:
    """Raise where so many bins do not fit, or the box is empty."""
    if bins < 2 or bins * MIN_BIN >= 1 or not bound > 0:
        raise OptionError(f"bins={bins}, bound={bound}", "2 ≤ bins < 1000 and bound > 0")


def locate(
    widths: Array,
    heights: Array,
    v: Features,
    bound: float,
    by_height: bool,
    least: float = MIN_BIN,
) -> Bin:
    """Return the bins that hold `v`, |v| ≤ B, on the x axis or (`by_height`) on the y axis.

    Sizes are the box times a softmax of the raw widths and heights, with the floor `least`, a
    share of the box; both have the bins on axis 0 and then the axes of `v`.
    """
    bins = heights.shape[0]
    floor = 2 * bound * least
    room = 2 * bound * (1 - bins * least)
    w, w_unit = _softmax_parts(widths, room)
    h, h_unit = _softmax_parts(heights, room)
    sizes, unit = (h, h_unit) if by_height else (w, w_unit)
    beyond = _passed_knots(v + bound, sizes, unit, floor)
    index = _total([p.astype(jnp.int32) for p in beyond])
    passed = floor * index.astype(v.dtype) - bound
    return Bin(
        passed + w_unit * _total([jnp.where(p, v, 0.0) for p, v in zip(beyond, w, strict=False)]),
        passed + h_unit * _total([jnp.where(p, v, 0.0) for p, v in zip(beyond, h, strict=False)]),
        floor + w_unit * pick(beyond, w),
        floor + h_unit * pick(beyond, h),
        beyond,
        [floor + w_unit * part for part in w],
        [floor + h_unit * part for part in h],
    )


def pick(beyond: list[Array], values: list[Array]) -> Array:
    """Select the value of the current bin: the last one whose left knot has been passed."""
    out = values[0]
    for passed, value in zip(beyond, values[1:], strict=True):
        out = jnp.where(passed, value, out)
    return out


def _softmax_parts(raw: Array, room: float) -> tuple[list[Array], Array]:
    """Return exp(raw − max) per bin and the factor that makes them sum to `room`."""
    top = jax.lax.stop_gradient(raw.max(0))
    parts = [jnp.exp(raw[k] - top) for k in range(raw.shape[0])]
    return parts, room / _total(parts)


def _total(parts: list[Array]) -> Array:
    return functools.reduce(jnp.add, parts)


def _passed_knots(offset: Array, sizes: list[Array], unit: Array, floor: float) -> list[Array]:
    """Tell for each inner knot whether `offset` (measured from the left end) lies beyond it."""
    offset = jax.lax.stop_gradient(offset)
    total = jnp.zeros((), offset.dtype)
    beyond = []
    for k, size in enumerate(sizes[:-1]):
        total = total + jax.lax.stop_gradient(size)
        beyond.append(offset >= floor * (k + 1) + jax.lax.stop_gradient(unit) * total)
    return beyond
