"""Conformal p-values: the calibrated chance that a regular row looks this odd."""

import numpy as np
from jaxtyping import Float


def conformal_p_values(
    scores: Float[np.ndarray, " n"],
    calibration: Float[np.ndarray, " m"],
    weights: Float[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Return p(s) = (1 + #{calibration scores ≤ s}) / (m + 1); small means odd.

    If a row is exchangeable with the calibration rows, P(p ≤ α) ≤ α for every α. With weights
    the counts are sums of weights (scaled to mean one). A score that is NaN gets the least value.

    Parameters
    ----------
    scores : log-densities of the rows in question.
    calibration : log-densities of rows that the model was not fitted on, sorted upwards.
    weights : one non-negative weight per calibration row.

    Cost O((n + m) log m). Source vovk2005conformal
    """
    m = len(calibration)
    scaled = np.ones(m) if weights is None else weights * (m / weights.sum())
    below = np.concatenate([[0.0], np.cumsum(scaled)])
    filled = np.where(np.isnan(scores), -np.inf, scores)
    count = below[np.searchsorted(calibration, filled, side="right")]
    return np.where(np.isnan(scores), 1.0, 1.0 + count) / (m + 1)
