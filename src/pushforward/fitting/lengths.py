"""Lengths of rows as normal scores, and the spline that makes them those of a standard normal."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, ndtr, ndtri

from pushforward.fitting.knots import Knots
from pushforward.fitting.marginals import Counted, fit_marginals

_LEAST = 1e-300
"""Least probability of a length: its normal score is 37."""


def normal_lengths(x: Float[np.ndarray, "dim n"]) -> Float[np.ndarray, "1 n"]:
    """Return Φ⁻¹(F(|x|)), with F the law of a standard normal event's length (chi)."""
    half, square = len(x) / 2, 0.5 * (x * x).sum(0)
    below, above = gammainc(half, square), gammaincc(half, square)
    scores = np.where(
        below < 0.5, ndtri(np.maximum(below, _LEAST)), -ndtri(np.maximum(above, _LEAST))
    )
    return scores[None]


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
