"""Two-sample tests: can two sets of rows be told apart."""

import numpy as np
from jax import Array, random
from jaxtyping import Float
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from pushforward.core.errors import ShapeError
from pushforward.metrics.result import Result

MAX_ROWS = 5_000
"""Rows of each set that the classifier learns from at most."""

_FOLDS = 5


def c2st(
    real: Float[np.ndarray, "n dim"],
    sampled: Float[np.ndarray, "m dim"],
    *,
    key: Array | None = None,
) -> Result:
    """Test with a classifier whether rows can be told from samples.

    Boosted trees learn to tell the sets apart on four fifths of the rows and rank the others;
    the value is the area under the curve of these held-out rankings: 0.5 where the sets cannot
    be told apart, 1 where always. Its p-value is that of the rank-sum test. NaN is a value of
    its own. At most `MAX_ROWS` of each set are used, the same number of both.

    Cost: five fits of boosted trees, seconds. Source lopezpaz2017c2st
    """
    if real.ndim != 2 or sampled.ndim != 2 or real.shape[1] != sampled.shape[1]:
        raise ShapeError(f"rows of shapes {real.shape} and {sampled.shape}", "two (n, dim)")
    size = min(len(real), len(sampled), MAX_ROWS)
    if size < 2 * _FOLDS:
        raise ShapeError(f"{size} rows", f"at least {2 * _FOLDS} of each")
    seed = 0 if key is None else int(random.bits(key, dtype=np.uint32)) % 2**31
    rng = np.random.default_rng(seed)
    parts = [rows[rng.permutation(len(rows))[:size]] for rows in (real, sampled)]
    labels = np.repeat([0, 1], size)
    model = HistGradientBoostingClassifier(max_iter=100, random_state=seed)
    turns = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(1, "openmp"):  # threads that wait for a busy core take minutes
        ranked = np.asarray(
            cross_val_predict(
                model, np.concatenate(parts), labels, cv=turns, method="predict_proba"
            )
        )[:, 1]
    test = stats.mannwhitneyu(ranked[size:], ranked[:size], alternative="greater")
    area = float(test.statistic) / size**2
    error = float(np.sqrt((area * (1 - area) + (size - 1) * _spread(area)) / size**2))
    said = "samples cannot be told from rows" if test.pvalue > 0.01 else "samples can be told apart"
    return Result("C2ST", area, error, float(test.pvalue), said)


def _spread(area: float) -> float:
    """Return the part of the area's variance that grows with the rows (Hanley and McNeil)."""
    return area / (2 - area) + 2 * area**2 / (1 + area) - 2 * area**2
