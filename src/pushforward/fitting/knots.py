"""Knots of one column's monotone spline, on the host in float64: positions, images and slopes."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from pushforward.native.host import Bins, bend, serves
from pushforward.transforms.rational_quadratic import rise, slope

_MIN_GAP = 1e-4
"""Least distance of two knots in sd of the warped column: ties must not make a cliff."""

_SLOPES = (1e-2, 1e2)
"""Range of a knot's slope: keeps the inverse good to float32's last four digits."""

_TAIL_FACTOR = 5.0
"""A tail's slope stays within this factor of the last bin's."""

Column = Float[np.ndarray, " n"]
Knots = tuple[np.ndarray, np.ndarray, np.ndarray]


def quantile_knots(
    v: Column, weights: Column, count: int, rows: float | None = None
) -> Knots | None:
    """Return knots that send quantiles to the normal's: positions, images, slopes.

    Inner knots stand at equal steps of probability, and at halving steps towards both ends until
    about ten rows are left in a tail. A tail's slope sets its mean excess to the normal's.
    None where too few distinct quantiles are left. `rows` says how many rows there are where each
    of the values stands for more than one.
    """
    order = np.argsort(v)
    v, share = v[order], np.cumsum(weights[order]) / weights.sum()
    share = share - 0.5 * weights[order] / weights.sum()
    probability = np.arange(1, count) / count
    step, least = 1 / count, max(10 / (rows or len(v)), 1e-4)
    while step / 2 > least:
        step /= 2
        probability = np.concatenate([probability, [step, 1 - step]])
    probability = np.sort(probability)
    x = np.interp(probability, share, v)
    kept = [0]
    for i in range(1, len(x)):
        if x[i] - x[kept[-1]] > _MIN_GAP:
            kept.append(i)
    if len(kept) < 3:
        return None
    x, z = x[kept], ndtri(probability[kept])
    secants = np.diff(z) / np.diff(x)
    slopes = np.empty(len(x))
    slopes[1:-1] = np.sqrt(secants[1:] * secants[:-1])
    sorted_weights, below, above = weights[order], v < x[0], v > x[-1]
    slopes[0] = tail_slope(x[0] - v[below], sorted_weights[below], -z[0], secants[0])
    slopes[-1] = tail_slope(v[above] - x[-1], sorted_weights[above], z[-1], secants[-1])
    return x, z, np.clip(slopes, *_SLOPES)


def evaluate_knots(
    v: Column, x: np.ndarray, z: np.ndarray, slopes: np.ndarray
) -> tuple[Column, Column]:
    """Return the spline and the log of its slope on the host, in float64 (see MarginalSpline)."""
    y, product = np.array(v, np.float64), np.ones(len(v))
    follow_knots(y, product, Bins(x, z, slopes))
    return y, np.log(product)


def follow_knots(v: Column, product: Column, bins: Bins) -> None:
    """Replace values by a spline of them, and multiply `product` by its slope."""
    if serves(v):
        bend(bins, v, product)
        return
    x, per_width, z, height, s, d0, d1 = bins.bins.T
    k = np.clip(np.searchsorted(x, v) - 1, 0, len(x) - 1)
    t = np.clip((v - x[k]) * per_width[k], 0, 1)
    below, above = v < x[0], v > bins.last
    inner = z[k] + rise(t, height[k], s[k], d0[k], d1[k])
    product *= np.where(below, d0[0], np.where(above, d1[-1], slope(t, s[k], d0[k], d1[k])))
    ends = np.where(below, z[0] + d0[0] * (v - x[0]), bins.last_z + d1[-1] * (v - bins.last))
    v[:] = np.where(below | above, ends, inner)


def tail_slope(excess: np.ndarray, weights: np.ndarray, edge: float, secant: float) -> float:
    """Return the slope that makes a tail's mean excess that of the normal beyond `edge`."""
    mean = np.average(excess, weights=weights) if weights.any() else 0.0
    if not mean > 0:
        return secant
    normal = np.exp(-edge * edge / 2) / (math.sqrt(2 * math.pi) * ndtr(-edge)) - edge
    return float(np.clip(normal / mean, secant / _TAIL_FACTOR, secant * _TAIL_FACTOR))
