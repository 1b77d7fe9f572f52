"""The tail of importance weights: a generalized Pareto law, fitted and put in place of them."""

import math

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError

Weights = Float[np.ndarray, " n"]

_MIN_TAIL = 5
"""Fewest values that a tail is fitted to."""

_PRIOR_SHAPE, _PRIOR_ROWS = 0.5, 10
"""The shape is drawn towards 0.5 as if ten further values had said so (Vehtari et al.)."""


def pareto_tail(excess: Weights) -> tuple[float, float]:
    r"""Fit a generalized Pareto law to values above a threshold; return its shape k and scale σ.

    P(X > x) = (1 + k x / σ)^{−1/k}. The estimate is the empirical-Bayes mean of Zhang and
    Stephens over b = −k/σ, with the shape shrunk a little towards ½. For a law with k > 0 only
    moments below 1/k exist.

    Parameters
    ----------
    excess : positive values, at least five.

    Source zhang2009pareto, vehtari2024psis
    """
    x = np.sort(np.asarray(excess, float))
    n = x.size
    if n < _MIN_TAIL or not (x[0] > 0 and np.isfinite(x[-1])):
        raise DataError(f"{n} values from {x[:1]} to {x[-1:]}", "at least 5, finite, positive")
    count = 30 + math.isqrt(n)
    quartile = x[math.floor(n / 4 + 0.5) - 1]
    grid = np.arange(1, count + 1) - 0.5
    b = 1 / x[-1] + (1 - np.sqrt(count / grid)) / (3 * quartile)
    shape = np.log1p(-b[:, None] * x).mean(1)
    log_likelihood = n * (np.log(-b / shape) - shape - 1)
    weight = np.exp(log_likelihood - log_likelihood.max())
    b_mean = float((weight / weight.sum() * b).sum())
    k = float(np.log1p(-b_mean * x).mean())
    sigma = -k / b_mean
    return (n * k + _PRIOR_ROWS * _PRIOR_SHAPE) / (n + _PRIOR_ROWS), sigma


def pareto_smoothed(log_weights: Weights) -> tuple[Weights, float]:
    """Return log-weights with a smoothed upper tail, and the tail's shape k̂.

    The min(n/5, 3√n) largest weights become the quantiles of a generalized Pareto law fitted to
    their excess, none above the largest weight seen. k̂ is −∞ where the largest weights are all
    equal, and NaN where they are too few (n < 25).

    Parameters
    ----------
    log_weights : shape `(n,)`; −inf is a weight of zero.

    Source vehtari2024psis
    """
    log_weights = np.asarray(log_weights, float)
    if log_weights.ndim != 1 or np.isnan(log_weights).any() or not np.isfinite(log_weights.max()):
        raise DataError(
            f"log-weights of shape {log_weights.shape}, some NaN, all −inf or one +inf",
            "a vector whose largest entry is finite, without NaN",
        )
    n = log_weights.size
    tail = min(n // 5, math.ceil(3 * math.sqrt(n)))
    if tail < _MIN_TAIL:
        return log_weights, math.nan
    top = log_weights.max()
    order = np.argsort(log_weights, kind="stable")
    rows = order[-tail:]
    threshold = math.exp(log_weights[order[-tail - 1]] - top)
    excess = np.exp(log_weights[rows] - top) - threshold
    # Rounding apart, nothing exceeds the threshold: the weights are bounded.
    if excess[-1] <= 1e3 * np.finfo(float).eps:
        return log_weights, -math.inf
    smallest = np.finfo(float).tiny
    k, sigma = pareto_tail(np.maximum(excess, smallest))
    share = (np.arange(1, tail + 1) - 0.5) / tail
    quantile = _quantile(share, k, sigma)
    smoothed = log_weights.copy()
    smoothed[rows] = np.minimum(np.log(threshold + quantile), 0.0) + top
    return smoothed, k


def _quantile(share: Weights, k: float, sigma: float) -> Weights:
    log_beyond = np.log1p(-share)
    if abs(k) < 1e-10:
        return -sigma * log_beyond
    return sigma * np.expm1(-k * log_beyond) / k
