"""The Gaussian that fits best, in closed form: on the host, in float64."""

import numpy as np
from jaxtyping import Float
from sklearn.covariance import ledoit_wolf

from pushforward.core.numerics import LOG_2PI

Rows = Float[np.ndarray, "n dim"]

_MIN_CONDITION = 1e-9
"""Least eigenvalue ratio of a covariance that is used as it is: float64 keeps 7 digits there."""

_MIN_SHRINKAGE = 1e-6
"""Least shrinkage where any is needed: makes a singular covariance positive definite."""


def gaussian_moments(
    rows: Rows, weights: Float[np.ndarray, " n"] | None = None
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "dim dim"]]:
    """Return the mean and a covariance that is positive definite: shrunk only if it must be.

    The maximum-likelihood covariance (weights count as repetitions) where its condition allows
    it; otherwise the Ledoit-Wolf shrinkage (few rows, collinear columns). A column's mean and
    variance are those of its cells that are not NaN; a missing cell counts as its column's mean
    in the correlations.
    """
    share = np.full(len(rows), 1 / len(rows)) if weights is None else weights / weights.sum()
    there = ~np.isnan(rows)
    known = share @ there
    mean = np.divide(share @ np.where(there, rows, 0.0), known, where=known > 0, out=0 * known)
    rows = np.where(there, rows, mean)
    centred = (rows - mean) / np.sqrt(np.where(known > 0, known, 1.0))
    covariance = (centred * share[:, None]).T @ centred
    spread = np.trace(covariance) / len(covariance)
    if spread <= 0:
        return mean, np.eye(len(covariance))
    eigenvalues = np.linalg.eigvalsh(covariance)
    if len(rows) < 5 * rows.shape[1] or eigenvalues[0] < _MIN_CONDITION * eigenvalues[-1]:
        shrunk = ledoit_wolf(rows, assume_centered=False)[1] if len(rows) > 1 else 0.5
        shrunk = max(shrunk, _MIN_SHRINKAGE)
        covariance = (1 - shrunk) * covariance + shrunk * spread * np.eye(len(covariance))
    return mean, covariance


def gaussian_log_prob(rows: Rows, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the log-density of rows under a Gaussian, in nats."""
    factor = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factor, (rows - mean).T)
    log_det = np.log(np.diag(factor)).sum()
    return -0.5 * (z * z).sum(0) - log_det - 0.5 * len(mean) * LOG_2PI
