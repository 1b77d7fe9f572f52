"""Baselines on the same split: what a model has to beat, always shown."""

import time
import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from pushforward.fitting.moments import gaussian_log_prob, gaussian_moments

MAX_ROWS = 10_000
"""Rows that a baseline learns from at most: more changes the figure less than its error."""

_KDE_PAIRS = 4e7
"""Pairs of rows that one kernel density evaluation may visit (about a second)."""

Rows = Float[np.ndarray, "_ dim"]


def score_baselines(
    train: Rows,
    validation: Rows,
    test: Rows,
    log_scale: float,
    *,
    max_time: float,
    rng: np.random.Generator,
) -> dict[str, Float[np.ndarray, " m"] | None]:
    """Fit each baseline and return its log-densities of the test rows, in nats.

    Columns are expected on a common scale; `log_scale` = Σ log(scale) takes the densities back
    to original units. Mixture size and bandwidth are chosen on the validation rows. A baseline
    that fails, or for which no time is left, is None.
    """
    if len(train) > MAX_ROWS:
        train = train[rng.choice(len(train), MAX_ROWS, replace=False)]
    out: dict[str, np.ndarray | None] = {}
    deadline = time.monotonic() + max_time
    for name, method in (("gaussian", _gaussian), ("gmm", _mixture), ("kde", _kernels)):
        try:
            scores = method(train, validation, test, deadline, rng) - log_scale
        except (ValueError, np.linalg.LinAlgError, MemoryError):
            out[name] = None
            continue
        out[name] = scores if np.isfinite(scores).all() else None
    return out


def weighted_mean(scores: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Return Σ w s / Σ w."""
    return float((scores * weights).sum() / weights.sum())


def standard_error(scores: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Return the standard error of the weighted mean of the scores (0 for a single one).

    NaN where a score is −∞.
    """
    n = len(scores)
    if not np.isfinite(scores).all():
        return float("nan")
    if n < 2:
        return 0.0
    share = weights / weights.sum()
    deviation = share * (scores - share @ scores)
    return float(np.sqrt((deviation**2).sum() * n / (n - 1)))


def _gaussian(
    train: Rows, validation: Rows, test: Rows, deadline: float, rng: np.random.Generator
) -> np.ndarray:
    return gaussian_log_prob(test, *gaussian_moments(train))


def _mixture(
    train: Rows, validation: Rows, test: Rows, deadline: float, rng: np.random.Generator
) -> np.ndarray:
    seed = int(rng.integers(2**31))

    def fit(k: int) -> GaussianMixture:
        mixture = GaussianMixture(k, reg_covar=1e-6, random_state=seed, max_iter=100)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(train)

    sizes = [k for k in (1, 2, 4, 8, 16, 32) if k * (train.shape[1] + 1) <= len(train)]
    return _best(sizes, fit, validation, deadline).score_samples(test)


def _kernels(
    train: Rows, validation: Rows, test: Rows, deadline: float, rng: np.random.Generator
) -> np.ndarray:
    most = max(200, int(_KDE_PAIRS / max(len(test), len(validation), 1)))
    if len(train) > most:
        train = train[rng.choice(len(train), most, replace=False)]
    spread = float(np.median(train.std(0))) or 1.0
    rule = spread * len(train) ** (-1 / (train.shape[1] + 4))

    def fit(factor: float) -> KernelDensity:
        return KernelDensity(bandwidth=rule * factor).fit(train)

    return _best([1.0, 0.5, 0.25, 0.7, 0.35, 0.12], fit, validation, deadline).score_samples(test)


def _best(sizes: list, fit: Callable, validation: Rows, deadline: float):  # noqa: ANN202
    """Return the candidate with the best validation mean; the first if there are no such rows."""
    best, best_score = None, -np.inf
    for size in sizes:
        if best is not None and time.monotonic() > deadline:
            break
        try:
            candidate = fit(size)
        except (ValueError, np.linalg.LinAlgError):
            continue
        score = candidate.score_samples(validation).mean() if len(validation) else -np.inf
        if best is None or score > best_score:
            best, best_score = candidate, score
        if not len(validation):
            break
    if best is None:
        raise ValueError("no size fits the number of rows")
    return best
