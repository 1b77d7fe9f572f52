"""Bins of a monotone spline on [−B, B]: which one holds a value, and how large it is."""

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.errors import OptionError
from pushforward.core.stages import Stage, together
from pushforward.core.types import Features

MIN_BIN = 1e-3
"""Least bin width and height as a share of the box, so that no slope h/w leaves [1e-3, 1e3]."""


class Bin(NamedTuple):
    """Hold the bin of each value: its lower left corner, its size, its number, and all bins.

    The width of bin k is floor + per_width · e_widths[k], its height likewise.
    """

    x_low: Array
    y_low: Array
    width: Array
    height: Array
    index: Array
    e_widths: Array
    e_heights: Array
    per_width: Array
    per_height: Array
    floor: float

    @property
    def widths(self) -> list[Array]:
        return [self.floor + self.per_width * part for part in self.e_widths]

    @property
    def heights(self) -> list[Array]:
        return [self.floor + self.per_height * part for part in self.e_heights]


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
    stage: Stage = together,
) -> Bin:
    """Return the bins that hold `v`, |v| ≤ B, on the x axis or (`by_height`) on the y axis.

    Sizes are the box times a softmax of the raw widths and heights, with the floor `least`, a
    share of the box; both have the bins on axis 0 and then the axes of `v`.
    """
    bins = heights.shape[0]
    floor = 2 * bound * least
    room = 2 * bound * (1 - bins * least)

    def largest(widths: Array, heights: Array) -> tuple[Array, ...]:
        return tuple(jax.lax.stop_gradient(_of(jnp.maximum, raw)) for raw in (widths, heights))

    def exponentials(widths: Array, heights: Array, *top: Array) -> tuple[Array, ...]:
        return jnp.exp(widths - top[0]), jnp.exp(heights - top[1])

    def search(e_w: Array, e_h: Array, v: Array) -> tuple[Array, ...]:
        per_w, per_h = room / _of(jnp.add, e_w), room / _of(jnp.add, e_h)
        parts, per = (e_h, per_h) if by_height else (e_w, per_w)
        parts, per, offset = jax.lax.stop_gradient((parts, per, v + bound))
        total, passed = 0.0, []
        for k in range(bins - 1):
            total = total + parts[k]
            passed.append((offset >= floor * (k + 1) + per * total).astype(jnp.int32))
        return per_w, per_h, _of(jnp.add, passed)

    def place(e_w: Array, e_h: Array, per_w: Array, per_h: Array, index: Array) -> tuple:
        edge = floor * index.astype(v.dtype) - bound
        low_w, low_h = (
            _of(jnp.add, [jnp.where(index > k, e[k], 0.0) for k in range(bins - 1)])
            for e in (e_w, e_h)
        )
        sizes = floor + per_w * pick(index, list(e_w)), floor + per_h * pick(index, list(e_h))
        return edge + per_w * low_w, edge + per_h * low_h, *sizes

    e_w, e_h = stage(exponentials, widths, heights, *stage(largest, widths, heights))
    per_w, per_h, index = stage(search, e_w, e_h, v)
    found = stage(place, e_w, e_h, per_w, per_h, index)
    return Bin(*found, index, e_w, e_h, per_w, per_h, floor)


def pick(index: Array, values: list[Array]) -> Array:
    """Select the value of each index."""
    out = values[0]
    for k, value in enumerate(values[1:], 1):
        out = jnp.where(index >= k, value, out)
    return out


def _of(operation: Callable, parts: Iterable[Array]) -> Array:
    return functools.reduce(operation, parts)
