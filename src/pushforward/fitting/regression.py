"""Linear regression by least squares, shrunk as far as rows that are left out ask for."""

import numpy as np
from jaxtyping import Float

_RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Shrinkages to choose from, in units of the inputs' variance."""

_BLOCK = 50_000
"""Rows at a time, and rows at most that choose a shrinkage: with more it hardly matters."""


def regression_slopes(
    y: Float[np.ndarray, "n v"],
    x: Float[np.ndarray, "n k"],
    weights: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "v k"]:
    """Return the slopes of each column of y on x, by ridge regression with an intercept.

    The rows of a column are those where it is not NaN, and its ridge is the one whose squared
    errors on rows left out one by one are least: a state of few rows moves little. n k² for each
    set of columns that are NaN in the same rows.

    Source hastie2009elements
    """
    slopes = np.zeros((y.shape[1], x.shape[1]))
    there = ~np.isnan(y)
    if not x.shape[1]:
        return slopes
    alike: dict[bytes, list[int]] = {}
    for j in range(y.shape[1]):
        alike.setdefault(there[:, j].tobytes(), []).append(j)
    for columns in alike.values():
        rows = there[:, columns[0]]
        if not weights[rows].any():
            continue
        own = slice(None) if rows.all() else rows
        slopes[columns] = _fitted(y[own][:, columns], x[own], weights[own] / weights[own].sum()).T
    return slopes


def _fitted(
    y: Float[np.ndarray, "n v"], x: Float[np.ndarray, "n k"], share: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "k v"]:
    """Return the slopes by the ridge that predicts left-out rows best, a column of y each."""
    some = slice(None)
    if len(x) > _BLOCK:
        some = np.random.default_rng(0).choice(len(x), _BLOCK, replace=False)
    ridges = _best_ridges(y[some], x[some], share[some] / share[some].sum())
    variances, axes, moments = _moments(y, x, share)
    return axes @ (moments / (variances[:, None] + ridges))


def _best_ridges(
    y: Float[np.ndarray, "n v"], x: Float[np.ndarray, "n k"], share: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " v"]:
    """Return for each column of y the ridge that predicts left-out rows best.

    Without row i the prediction errs by eᵢ / (1 − hᵢ): e the residuals of all rows, h the
    diagonal of the matrix that maps y to its fitted values.
    """
    variances, axes, moments = _moments(y, x, share)
    turned, y = (x - share @ x) @ axes, y - share @ y
    errors = []
    for ridge in _RIDGES:
        shrunk = 1.0 / (variances + ridge)
        leverage = share * (1.0 + turned**2 @ shrunk)
        left = y - turned @ (moments * shrunk[:, None])
        errors.append(share @ (left / np.maximum(1.0 - leverage, 1e-9)[:, None]) ** 2)
    return np.array(_RIDGES)[np.argmin(errors, axis=0)]


def _moments(
    y: Float[np.ndarray, "n v"], x: Float[np.ndarray, "n k"], share: Float[np.ndarray, " n"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the principal variances and axes of x, and its covariance with y along them."""
    x_mean, y_mean = share @ x, share @ y
    gram, joint = np.zeros((x.shape[1], x.shape[1])), np.zeros((x.shape[1], y.shape[1]))
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        centred = x[part] - x_mean
        weighted = (centred * share[part, None]).T
        gram += weighted @ centred
        joint += weighted @ (y[part] - y_mean)
    variances, axes = np.linalg.eigh(gram)
    return variances, axes, axes.T @ joint
