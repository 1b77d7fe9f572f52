"""The PyOD face of outlier detection; needs the package `pyod`."""

from typing import Any

import numpy as np
from pyod.models.base import BaseDetector  # pyright: ignore[reportMissingImports]
from sklearn.utils.validation import check_is_fitted

from pushforward.estimators.outliers import OutlierDetector


class FlowDetector(BaseDetector):  # pyright: ignore[reportUntypedBaseClass]
    """Detect outliers by a flow, with PyOD's sign: larger is odder.

    Parameters
    ----------
    contamination : share of the training rows that PyOD labels; `p_values` need no such guess.
    statistic, trim, max_time, max_epochs, random_state : as in `OutlierDetector`.

    Attributes
    ----------
    detector_ : the fitted `OutlierDetector`.
    decision_scores_, labels_, threshold_ : as PyOD has them.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        statistic: str = "blended",
        trim: float = 0.0,
        max_time: float | None = 30.0,
        max_epochs: int | None = None,
        random_state: Any = None,
    ):
        super().__init__(contamination=contamination)
        self.statistic = statistic
        self.trim = trim
        self.max_time = max_time
        self.max_epochs = max_epochs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "FlowDetector":
        """Learn what regular rows look like; y is ignored."""
        self._set_n_classes(y)
        self.detector_ = OutlierDetector(
            statistic=self.statistic,
            trim=self.trim,
            max_time=self.max_time,
            max_epochs=self.max_epochs,
            random_state=self.random_state,
        ).fit(X)
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return how odd each row looks; larger is odder."""
        check_is_fitted(self, "detector_")
        return -self.detector_.score_samples(X)

    def p_values(self, X: Any) -> np.ndarray:
        """Return the calibrated chance that a regular row looks this odd; small = odd."""
        check_is_fitted(self, "detector_")
        return self.detector_.p_values(X)
