"""Conformal p-values: the calibrated chance that a regular row looks this odd."""

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import OptionError


def conformal_p_values(
    scores: Float[np.ndarray, " n"],
    calibration: Float[np.ndarray, " m"],
    weights: Float[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, " n"]:
    r"""Return p(s) = (1 + #{calibration scores ≤ s}) / (m + 1); small means odd.

    If a row is exchangeable with the calibration rows, P(p ≤ α) ≤ α for every α. With weights w
    p(s) = (W + Σ_{s_i ≤ s} w_i) / (W + Σ w_i), W = Σ w² / Σ w, the weight that a row drawn by
    weight has on average: the least p-value is 1/(m* + 1) with m* = (Σ w)² / Σ w² rows' worth;
    how often that is met is then not guaranteed. A score that is NaN gets the least value.

    Parameters
    ----------
    scores : log-densities of the rows in question.
    calibration : log-densities of rows that the model was not fitted on, sorted upwards.
    weights : one positive weight per calibration row.

    Cost O((n + m) log m). Source vovk2005conformal
    """
    weights = np.ones(len(calibration)) if weights is None else weights
    own = (weights**2).sum() / weights.sum() if len(weights) else 1.0
    below = np.concatenate([[0.0], np.cumsum(weights)])
    filled = np.where(np.isnan(scores), -np.inf, scores)
    count = below[np.searchsorted(calibration, filled, side="right")]
    return np.where(np.isnan(scores), own, own + count) / (own + below[-1])


def rejected(p_values: Float[np.ndarray, " n"], rate: float) -> np.ndarray:
    """Return which p-values the step-up rule of Benjamini and Hochberg rejects.

    The largest k with p_(k) ≤ rate k/n; false ones are a share `rate` of the rejected on average.

    Source benjamini1995fdr
    """
    if not 0 < rate < 1:
        raise OptionError(f"false_discovery_rate={rate}", "a share between 0 and 1")
    order = np.sort(p_values)
    passed = np.flatnonzero(order <= rate * np.arange(1, len(order) + 1) / max(len(order), 1))
    return p_values <= order[passed[-1]] if len(passed) else np.zeros(len(p_values), bool)
