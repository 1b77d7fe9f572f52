"""Lengths of rows as normal scores, and the spline that makes them those of a standard normal."""

import functools
import math

import numpy as np
from jaxtyping import Float, Num
from scipy.special import gammainccinv, gammaincinv, gammaln, ndtr

from pushforward.fitting.grid import CELLS, HALF_WIDTH
from pushforward.fitting.knots import Knots
from pushforward.fitting.marginals import Counted, fit_marginals


def count_lengths(
    x: Float[np.ndarray, "dim n"], weights: Float[np.ndarray, " n"] | None = None
) -> Num[np.ndarray, "1 cells"]:
    """Return counts of lengths as normal scores Φ⁻¹(F(|x|)), on the grid that is not warped.

    F is the law of a standard normal event's length (chi): cells are told by the squares at
    their edges.
    """
    cells = np.searchsorted(_squares(len(x)), np.einsum("ij,ij->j", x, x), side="right")
    return np.bincount(cells, weights, CELLS)[None]


@functools.lru_cache(16)
def _squares(dim: int) -> Float[np.ndarray, " edges"]:
    """Return |x|² at the inner edges of the cells of normal scores."""
    scores = np.linspace(-HALF_WIDTH, HALF_WIDTH, CELLS + 1)[1:-1]
    return np.exp(2 * _log_lengths(scores, dim))


def radial_knots(counted: Counted, rows: float, dim: int, method: str) -> Knots | None:
    """Return knots log|x| → log|z| from counts of normal lengths; none where a line does as well.

    The scores' own spline v → w is carried over at its knots: with χ the density of lengths,
    d log|z| / d log|x| = w′(v) · χ(|x|)|x|/φ(v) · φ(w)/(χ(|z|)|z|).

    Source lyu2009radial
    """
    (v, w, slopes), *_ = fit_marginals([counted], rows, method=method, settled=True)
    if len(v) < 3:
        return None
    outer, inner = _log_lengths(v, dim), _log_lengths(w, dim)
    slopes = slopes * np.exp(_log_rate(outer, v, dim) - _log_rate(inner, w, dim))
    slopes[-1] = min(slopes[-1], 1.0)  # beyond all rows lengths grow in proportion at most
    # About zero a plain scaling: the density there stays finite.
    first = outer[0] - _INNERMOST
    outer = np.concatenate([[first], outer])
    inner = np.concatenate([[inner[0] - _INNERMOST], inner])
    return outer, inner, np.concatenate([[1.0], slopes])


_INNERMOST = 1.0
"""Distance of the innermost knot, which is a scaling, from the first with rows, in log length."""


def _log_lengths(scores: np.ndarray, dim: int) -> np.ndarray:
    below = gammaincinv(dim / 2, ndtr(np.minimum(scores, 0)))
    above = gammainccinv(dim / 2, ndtr(-np.maximum(scores, 0)))
    return 0.5 * np.log(2 * np.where(scores < 0, below, above))


def _log_rate(log_length: np.ndarray, score: np.ndarray, dim: int) -> np.ndarray:
    """Return log dv/d log|x|."""
    log_chi = dim * log_length - 0.5 * np.exp(2 * log_length) - (dim / 2 - 1) * math.log(2)
    return log_chi - gammaln(dim / 2) + 0.5 * score**2 + 0.5 * math.log(2 * math.pi)
