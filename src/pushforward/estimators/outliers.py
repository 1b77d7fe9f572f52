"""The scikit-learn face of outlier detection."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from pushforward.core.errors import OptionError
from pushforward.estimators.checks import checked_weights, matching_frame, seed_of
from pushforward.judge.blurred import BlurOptions
from pushforward.judge.outliers import SCORES, fit_outliers
from pushforward.judge.p_values import rejected
from pushforward.store import save
from pushforward.tables.frames import from_frame
from pushforward.tables.inference import infer_schema
from pushforward.tables.schema import Schema


class OutlierDetector(OutlierMixin, BaseEstimator):
    """Say which rows are odd, at a rate of false alarms that you choose.

    A flow and kernels learn the law of the rows seen through Gaussian noise, at levels from 5 % of
    a column's sd (fine structure) to 320 % (overall shape). A row is odd if it is improbable at
    these levels by either law. Rows kept apart calibrate: a share `false_alarm_rate` of regular
    rows is flagged, whatever the share of odd ones. Likelihood misleads where odd rows are more
    regular than regular ones (statistic="typicality" looks at both sides), and where the table is
    not what makes a row odd: see docs/outliers.md.

    Parameters
    ----------
    false_alarm_rate : share of regular rows that may be flagged; 1 % needs 99 calibrating rows.
    statistic : "blended" (all levels, both laws), "log_density" (the finest), "typicality",
        "latent_radius".
    trim : share of the training rows that is taken for odd and left out of a second fit, and of
        its threshold: that share of the training rows is then flagged too.
    schema : as in `DensityEstimator`.
    max_time, max_epochs : limits on learning, in seconds (of each of two fits with `trim`) and
        epochs.
    random_state, progress : as in `DensityEstimator`.

    Attributes
    ----------
    model_ : the fitted `OutlierModel`.
    offset_ : the score below which rows are flagged: decision_function = score_samples − offset_.

    Source vovk2005conformal, song2019score
    """

    def __init__(
        self,
        false_alarm_rate: float = 0.05,
        *,
        statistic: str = "blended",
        trim: float = 0.0,
        schema: Any = None,
        max_time: float | None = 30.0,
        max_epochs: int | None = None,
        random_state: Any = None,
        progress: bool = False,
    ):
        self.false_alarm_rate = false_alarm_rate
        self.statistic = statistic
        self.trim = trim
        self.schema = schema
        self.max_time = max_time
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.progress = progress

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "OutlierDetector":
        """Learn what regular rows look like; rows may hold texts and missing cells."""
        for name in ("false_alarm_rate", "trim"):
            share = getattr(self, name)
            if not 0 <= share < 0.5 or (name == "false_alarm_rate" and share == 0):
                raise OptionError(f"{name}={share}", "a share below one half")
        if self.statistic not in SCORES:
            raise OptionError(f"statistic={self.statistic!r}", f"one of {', '.join(SCORES)}")
        frame = from_frame(X, self.schema if isinstance(self.schema, Schema) else None)
        weights = checked_weights(sample_weight, len(frame.values))
        values, weights = frame.values[weights > 0], weights[weights > 0]
        names = frame.names or tuple(f"x{i}" for i in range(values.shape[1]))
        schema = infer_schema(values, names, weights, frame.sources, declared=self.schema)
        options = BlurOptions(
            self.max_time, self.max_epochs, seed_of(self.random_state), self.progress
        )
        self.model_ = fit_outliers(values, weights, schema, options, self.trim)
        self.offset_ = -self.model_.threshold(self.false_alarm_rate, self.statistic)
        self.n_features_in_ = len(names)
        if frame.names is not None:
            self.feature_names_in_ = np.array(frame.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return how regular each row looks, by the chosen score; small = odd."""
        values = self._values(X)
        return -self.model_.oddness(values, self.statistic)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return score_samples − offset_: negative for rows that are flagged."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return −1 for rows that are flagged at the false-alarm rate, 1 for the others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """Return the calibrated chance that a regular row looks this odd; small = odd."""
        values = self._values(X)
        return self.model_.p_values(values, self.statistic)

    def discoveries(self, X: Any, false_discovery_rate: float = 0.1) -> np.ndarray:
        """Return which rows to call odd so that this share of them is regular on average.

        By the step-up rule on p-values. Source benjamini1995fdr
        """
        return rejected(self.p_values(X), false_discovery_rate)

    def explain(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return per cell how much less odd its row would be with the likeliest value, and that.

        Two arrays `(rows, columns)`: the surprise, in the score's units, and the plausible value
        (texts as their place in the column's list; a cell that is plausible stays). Cost: 33
        scores of each row for each column.
        """
        values = self._values(X)
        return self.model_.surprise(values, self.statistic)

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write the fitted detector to a directory that `pushforward.load` reads."""
        check_is_fitted(self)
        save(self, path, overwrite=overwrite)

    def _values(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        named = hasattr(self, "feature_names_in_")
        return matching_frame(X, self.model_.schema, named, type(self).__name__)[0].values
