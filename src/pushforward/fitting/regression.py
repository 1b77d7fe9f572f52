"""Linear regression by least squares, shrunk as far as rows that are left out ask for."""

import numpy as np
from jaxtyping import Float

_RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shrinkages to choose from, in units of the inputs' variance."""


def regression_slopes(
    y: Float[np.ndarray, "n v"],
    x: Float[np.ndarray, "n k"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "v k"]:
    """Return the slopes of each column of y on x, by ridge regression with an intercept.

    The rows of a column are those where it is not NaN, and its ridge is the one whose squared
    errors on rows left out one by one are least: a state of few rows moves little. n k² each.

    Source hastie2009elements
    """
    slopes = np.zeros((y.shape[1], x.shape[1]))
    for j, column in enumerate(y.T if x.shape[1] else ()):
        there = ~np.isnan(column)
        if weights[there].any():
            slopes[j] = _likeliest(column[there], x[there], weights[there] / weights[there].sum())
    return slopes


def _likeliest(
    y: Float[np.ndarray, " n"], x: Float[np.ndarray, "n k"], share: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " k"]:
    """Return the slopes of the ridge that predicts left-out rows best.

    Without row i the prediction errs by eᵢ / (1 − hᵢ): e the residuals of all rows, h the
    diagonal of the matrix that maps y to its fitted values.
    """
    x, y = x - share @ x, y - share @ y
    variances, axes = np.linalg.eigh((x * share[:, None]).T @ x)
    turned = x @ axes
    moments = (turned * share[:, None]).T @ y
    best, least = np.zeros(x.shape[1]), np.inf
    for ridge in _RIDGES:
        along = moments / (variances + ridge)
        leverage = share * (1.0 + turned**2 @ (1.0 / (variances + ridge)))
        left = (y - turned @ along) / np.maximum(1.0 - leverage, 1e-9)
        error = share @ left**2
        if error < least:
            best, least = axes @ along, error
    return best
