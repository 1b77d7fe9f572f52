"""The scikit-learn face of conditional density estimation."""

from typing import Any

import jax
import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from pushforward.core.errors import DataError, OptionError
from pushforward.estimators.checks import (
    check_missing,
    checked_weights,
    matching_frame,
    refuse_missing,
    seed_of,
    units_of,
)
from pushforward.estimators.options import settings_of
from pushforward.judge import predict
from pushforward.judge.p_values import conformal_p_values
from pushforward.judge.rows import TableRows
from pushforward.judge.selection import fit_table
from pushforward.judge.validation import Check, validate
from pushforward.store import save
from pushforward.tables import univariate
from pushforward.tables.dependence import set_aside_dependent
from pushforward.tables.frames import Frame, from_frame, means_table, split_dates, to_frame
from pushforward.tables.inference import infer_schema


class ConditionalDensityEstimator(BaseEstimator):
    """Fit p(y | x) to a table: density, samples, means, quantiles and intervals of y given x.

    Parameters
    ----------
    model : "auto" (linear regression with Gaussian errors and a spline flow, chosen on
        validation rows; below 20,000 rows the flow is a mixture of five, each stopped by another
        fifth), or a recipe's name (`pf.models.names()`).
    schema : dict column → entries as in `DensityEstimator`, of x and y alike.
    missing : "model" (a missing cell of x is a condition of its own) or "reject".
    validation, holdout, split, max_epochs, max_time, nodes, float64, random_state, progress,
    checkpoint : as in `DensityEstimator`.

    Attributes
    ----------
    model_ : the fitted `TableDensity` of y, conditional on x.
    schema_, given_ : the columns of y and of x.
    card_, calibration_, calibration_weights_, backend_ : as in `DensityEstimator`.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        schema: Any = None,
        missing: str = "model",
        validation: float = 0.1,
        holdout: float = 0.1,
        split: str = "random",
        max_epochs: int | None = None,
        max_time: float | None = None,
        nodes: int = 1,
        float64: bool = False,
        random_state: Any = None,
        progress: bool = False,
        checkpoint: Any = None,
    ):
        self.model = model
        self.schema = schema
        self.missing = missing
        self.validation = validation
        self.holdout = holdout
        self.split = split
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.nodes = nodes
        self.float64 = float64
        self.random_state = random_state
        self.progress = progress
        self.checkpoint = checkpoint

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "model"
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> "ConditionalDensityEstimator":
        """Fit to rows of x and y; weights and groups as in `DensityEstimator.fit`."""
        if y is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None",
                "the target, a column or a table with as many rows as X",
            )
        settings = settings_of(self)
        declared = dict(self.schema or {})
        frame, target = split_dates(from_frame(X), declared), from_frame(_as_table(y))
        n = len(frame.values)
        if len(target.values) != n:
            raise DataError(f"{n} rows of x and {len(target.values)} of y", "as many of both")
        weights = checked_weights(sample_weight, n)
        x_names, y_names = _names(frame, "x"), _names(target, "y")
        check_missing(self.missing, frame.values, x_names)
        refuse_missing(target.values, y_names, "a target in every row")
        unknown = set(declared) - {*x_names, *y_names}
        if unknown:
            raise OptionError(f"declared columns {sorted(unknown)}", f"among {x_names + y_names}")
        given, schema = (
            infer_schema(
                part.values,
                names,
                weights,
                part.sources,
                {name: declared[name] for name in names if name in declared},
            )
            for part, names in ((frame, x_names), (target, y_names))
        )
        schema = set_aside_dependent(schema, target.values[weights > 0], tuple(declared))
        with jax.enable_x64(self.float64):
            rows = TableRows(target.values, weights, frame.values, units_of(groups, n))
            fitted = fit_table(rows, schema, settings, given)
        self.model_ = fitted.model
        self.schema_, self.given_ = fitted.model.schema, given
        self.card_ = fitted.card
        self.calibration_ = fitted.calibration
        self.calibration_weights_ = fitted.calibration_weights
        self.backend_ = target.backend
        self.is_flat_ = _is_flat(y)
        self.n_features_in_ = len(given.table_names)
        if frame.names is not None:
            self.feature_names_in_ = np.array(frame.table_names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def log_prob(self, X: Any, y: Any) -> np.ndarray:
        """Return log p(y | x) of each row: nats, per the units of y."""
        context, values = self._context(X), self._target(y)
        with jax.enable_x64(self.float64):
            return self.model_.log_prob(values, context)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean log-density of the rows, in nats."""
        return float(np.average(self.log_prob(X, y), weights=sample_weight))

    def p_values(self, X: Any, y: Any) -> np.ndarray:
        """Return the calibrated chance that a regular row's y looks this odd; small = odd.

        log p(y | x) is compared over all x: calibrated over the table, not at each x.
        """
        return self.scores_and_p_values(X, y)[1]

    def scores_and_p_values(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what `log_prob` and `p_values` do, at the cost of one."""
        context, values = self._context(X), self._target(y)
        with jax.enable_x64(self.float64):
            scores = self.model_.log_prob(values, context)
        unitless = scores + self.model_.log_scale(values)
        return scores, conformal_p_values(unitless, self.calibration_, self.calibration_weights_)

    def sample(self, X: Any, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw n values of y for each row of x: `(rows, n)`, `(rows, n, columns)` for several."""
        key, context = jax.random.key(seed_of(random_state)), self._context(X)
        with jax.enable_x64(self.float64):
            drawn = predict.draws(self.model_, key, context, n_samples)
        flat = to_frame(drawn.reshape(-1, drawn.shape[2]), self.schema_, None)
        return self._shaped(flat.reshape(drawn.shape))

    def predict(self, X: Any) -> Any:
        """Return the mean of y given each x; of a column of texts, the likeliest.

        As the kind of table that y was. One column of numbers: by quantiles, without noise; else
        the mean of 1,000 draws, the same ones each time.
        """
        context = self._context(X)
        with jax.enable_x64(self.float64):
            found = predict.means(self.model_, jax.random.key(0), context)
        if self.is_flat_ or self.backend_ is None:
            table = to_frame(found, self.schema_, None)
            return table[:, 0] if self.is_flat_ else table
        return means_table(found, self.schema_, self.backend_)

    def predict_quantiles(self, X: Any, quantiles: Any = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Return each column's quantiles given each x: `(rows, q)`, `(rows, columns, q)`.

        Of one column exactly; of several by 1,000 draws a row, each column by itself.
        """
        wanted = np.atleast_1d(np.asarray(quantiles, float))
        if wanted.ndim != 1 or not ((wanted > 0) & (wanted < 1)).all():
            raise OptionError(f"quantiles={quantiles}", "probabilities between 0 and 1")
        context = self._context(X)
        with jax.enable_x64(self.float64):
            found = predict.quantiles(self.model_, jax.random.key(0), context, wanted)
        return found[:, 0] if self.is_flat_ else found

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Return the central interval that holds y with this probability: `(rows, …, 2)`."""
        if not 0 < coverage < 1:
            raise OptionError(f"coverage={coverage}", "a probability between 0 and 1")
        return self.predict_quantiles(X, (0.5 - coverage / 2, 0.5 + coverage / 2))

    def cdf(self, X: Any, y: Any) -> np.ndarray:
        """Return P(Y ≤ y | x) of each row, for one column of numbers."""
        context, values = self._context(X), self._target(y)
        with jax.enable_x64(self.float64):
            return univariate.distribution(self.model_, values[:, 0], context)

    def pit(self, X: Any, y: Any, random_state: Any = None) -> np.ndarray:
        """Return the probability integral transform: uniform on [0, 1] where the model holds.

        P(Y < y | x) + v P(Y = y | x) with v uniform: only atoms and recorded values need v.
        """
        rng, context = np.random.default_rng(seed_of(random_state)), self._context(X)
        values = self._target(y)[:, 0]
        with jax.enable_x64(self.float64):
            return univariate.integral_transform(self.model_, values, context, rng)

    def crps(self, X: Any, y: Any) -> np.ndarray:
        """Return the continuous ranked probability score of each row, in y's units: small = good.

        `(rows,)`, or `(rows, columns)`. Source gneiting2007scoring
        """
        context, values = self._context(X), self._target(y)
        with jax.enable_x64(self.float64):
            found = predict.crps(self.model_, jax.random.key(0), context, values)
        return found[:, 0] if self.is_flat_ else found

    def validate(self, X: Any, y: Any, *, seed: int = 0) -> list[Check]:
        """Return the checks of the fitted model on rows; see `judge.validation.validate`."""
        context, values, p_values = self._context(X), self._target(y), self.p_values(X, y)
        rows = TableRows(values, np.ones(len(values)), context)
        with jax.enable_x64(self.float64):
            return validate(self.model_, rows, p_values, len(self.calibration_), seed)

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write the fitted estimator to a directory that `pushforward.load` reads."""
        check_is_fitted(self)
        save(self, path, overwrite=overwrite)

    def _context(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        named = hasattr(self, "feature_names_in_")
        return matching_frame(X, self.given_, named, type(self).__name__)[0].values

    def _target(self, y: Any) -> np.ndarray:
        named = self.backend_ is not None and not self.is_flat_
        return matching_frame(_as_table(y), self.schema_, named, type(self).__name__)[0].values

    def _shaped(self, drawn: np.ndarray) -> np.ndarray:
        return drawn[:, :, 0] if self.is_flat_ else drawn


def _is_flat(table: Any) -> bool:
    """Tell whether a target came as one column: an array of one axis, a list or a series."""
    return isinstance(nw.from_native(table, pass_through=True, allow_series=True), nw.Series) or (
        not hasattr(table, "columns") and np.asarray(table).ndim == 1
    )


def _as_table(target: Any) -> Any:
    """Return a target as a table: a series or a vector as one column."""
    series = nw.from_native(target, pass_through=True, allow_series=True)
    if isinstance(series, nw.Series):
        named = series if series.name else series.rename("y")
        return named.to_frame().to_native()
    return np.asarray(target).reshape(-1, 1) if _is_flat(target) else target


def _names(frame: Frame, letter: str) -> tuple[str, ...]:
    if frame.names is not None:
        return frame.names
    n = frame.values.shape[1]
    return (letter,) if letter == "y" and n == 1 else tuple(f"{letter}{i}" for i in range(n))
