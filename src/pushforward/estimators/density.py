"""The scikit-learn face of density estimation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from pushforward.core.errors import OptionError
from pushforward.core.evidence import Estimate
from pushforward.estimators.checks import (
    check_missing,
    checked_weights,
    given_cells,
    matching_frame,
    seed_of,
    units_of,
    without_columns,
    without_errors,
)
from pushforward.estimators.options import settings_of
from pushforward.judge.marginalizing import whole_schema
from pushforward.judge.p_values import conformal_p_values
from pushforward.judge.rows import TableRows
from pushforward.judge.selection import fit_table
from pushforward.judge.validation import Check, validate
from pushforward.store import save
from pushforward.tables.completing import drawn_completions, marginal_log_prob
from pushforward.tables.dependence import set_aside_dependent
from pushforward.tables.frames import Frame, from_frame, matrix_to_frame, split_dates, to_frame
from pushforward.tables.inference import infer_schema
from pushforward.tables.measured import check_measured
from pushforward.tables.schema import Schema


class DensityEstimator(TransformerMixin, DensityMixin, BaseEstimator):
    """Fit a density to a table; score, sample and transform rows in its own units.

    Parameters
    ----------
    model : "auto" (the Gaussian and a spline flow sized by the table, chosen on validation
        rows), or a recipe's name (`pf.models.names()`).
    schema : dict column → {"kind", "resolution", "low", "high", "atoms", "period"} to override
        what is inferred, or a whole `Schema`.
    errors : dict column → column of its errors' standard deviations, in its units. The law is
        then that of the true values, of which measured ones are noisy: p(v | s) = ∫ p(t) N(v; t,
        s²) dt is what is learned and scored, by points of N (evidence `numerical`). Columns of
        errors have no law, and are not sampled. Cost: 16 times the fit's, 64 times the score's.
    missing : "model" (whether a cell is missing is part of the law), "marginalize" (the law is
        that of whole rows; missing cells are integrated out, taken as missing at random, by
        importance sampling: evidence `estimate`, several times the fit's time), or "reject".
    validation : share of rows that choose epoch and model.
    holdout : share of rows that only report and calibrate p-values; small tables are
        cross-fitted instead.
    split : "random", or "ordered": rows are in order of time, the last ones are the hold-out and
        those before them choose.
    max_epochs, max_time : limits on learning, in epochs, and on the whole fit, in seconds, about:
        learning ends after four fifths of them (a cross-fitted table, of a few hundred rows, is
        fitted several times, which share them). An epoch is at most 256 batches.
    nodes : quadrature nodes over the cell of a recorded value (1: its midpoint).
    float64 : learn and score in double precision.
    random_state : int for reproducible fits, or a numpy generator, or None.
    progress : show a bar on standard error, when that is a terminal.
    checkpoint : folder in which a killed fit leaves its state and from which it goes on.

    Attributes
    ----------
    model_ : the fitted `TableDensity`.
    schema_ : its columns.
    card_ : what was done and what came out (plain data).
    backend_ : library of the fitted table ("pandas", "polars", "pyarrow"), or none for arrays.
    calibration_, calibration_weights_ : sorted hold-out log-densities in standard units, and
        their rows' weights.
    """

    def __init__(
        self,
        model: str = "auto",
        *,
        schema: Any = None,
        errors: Any = None,
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
        self.errors = errors
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
        tags.input_tags.allow_nan = self.missing != "reject"
        return tags

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> "DensityEstimator":
        """Fit to rows; `sample_weight` counts as repetition. See `pushforward.fit` for errors.

        Rows of one group (a label per row) stay together when rows are set apart for choosing
        and reporting.
        """
        settings = settings_of(self)
        whole = isinstance(self.schema, Schema)
        frame = from_frame(X, self.schema if whole else None)
        table_names = frame.table_names
        frame = frame if whole else split_dates(frame, self.schema or ())
        frame, sizes = without_errors(frame, self.errors or {})
        weights = checked_weights(sample_weight, len(frame.values))
        names = frame.names or tuple(f"x{i}" for i in range(frame.values.shape[1]))
        check_missing(self.missing, frame.values, names, ("model", "marginalize", "reject"))
        schema = infer_schema(
            frame.values,
            names,
            weights,
            frame.sources,
            declared=self.schema,
            unknown=self.missing == "marginalize",
        )
        if not isinstance(self.schema, Schema):
            seen = frame.values[weights > 0]
            schema = set_aside_dependent(schema, seen, tuple(self.schema or ()))
        if self.missing == "marginalize":
            schema = whole_schema(schema)
        measured = self._measured(schema)
        with jax.enable_x64(self.float64):
            rows = TableRows(frame.values, weights, sizes, units_of(groups, len(frame.values)))
            fitted = fit_table(rows, schema, settings, measured=measured)
        self.model_ = fitted.model
        self.schema_ = fitted.model.schema
        self.card_ = fitted.card
        self.calibration_ = fitted.calibration
        self.calibration_weights_ = fitted.calibration_weights
        self.backend_ = frame.backend
        self.n_features_in_ = len(table_names or names)
        self.n_iter_ = fitted.card["epochs"]
        if frame.names is not None:
            self.feature_names_in_ = np.array(table_names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return log p of each row: nats, per the table's own units."""
        frame, errors = self._read(X)
        with jax.enable_x64(self.float64):
            return self.model_.log_prob(frame.values, errors)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean log-density of the rows, in nats."""
        return float(np.average(self.score_samples(X), weights=sample_weight))

    def p_values(self, X: Any) -> np.ndarray:
        """Return the calibrated chance that a regular row looks this odd; small = odd.

        No column's unit matters: rows are compared by their densities in standard units.
        """
        return self.scores_and_p_values(X)[1]

    def scores_and_p_values(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return what `score_samples` and `p_values` do, at the cost of one."""
        frame, errors = self._read(X)
        with jax.enable_x64(self.float64):
            scores = self.model_.log_prob(frame.values, errors)
        unitless = scores + self.model_.log_scale(frame.values)
        return scores, conformal_p_values(unitless, self.calibration_, self.calibration_weights_)

    def sample(
        self,
        n_samples: int = 1,
        random_state: Any = None,
        given: Any = None,
        *,
        balanced: bool = False,
    ) -> Any:
        """Draw rows, as the kind of table that the estimator was fitted on.

        Rows are independent; with `balanced` each still has the model's law, but together they
        stand for it more evenly: categories in their shares, values spread evenly. For a small
        table that is to look like the whole; not for standard errors, which suppose independence.

        With `given`, a table of any of the columns: n rows for each of its rows, of its kind,
        those cells as they are there (a missing one is a condition too). By importance weights:
        see `impute`.
        """
        check_is_fitted(self)
        seed = seed_of(random_state)
        if given is not None:
            if balanced:
                raise OptionError("balanced rows of a law given some cells", "one of the two")
            frame = without_columns(from_frame(given, self.schema_), (self.errors or {}).values())
            values, unknown = given_cells(frame, self.schema_)
            return self._completed(values, unknown, n_samples, seed, frame.backend)
        with jax.enable_x64(self.float64):
            values = self.model_.sample(jax.random.key(seed), n_samples, balanced=balanced)
        return to_frame(values, self.schema_, self.backend_)

    def impute(self, X: Any, n_samples: int = 1, random_state: Any = None) -> Any:
        """Fill missing cells with draws from their law given the row's others; n rows for each.

        The cells are taken for missing at random. Draws are candidates of a Gaussian copula,
        chosen by their importance weights under the model (`CANDIDATES` a row).
        """
        frame = self._checked(X)
        self.schema_.check_cells(frame.values, unknown=True)
        values, seed = self.schema_.solved(frame.values), seed_of(random_state)
        unknown = np.isnan(values)
        return self._completed(values, unknown, n_samples, seed, frame.backend, there=True)

    def estimate_log_prob(self, X: Any, random_state: Any = None) -> Estimate:
        """Return the log-density of each row's known cells: missing ones are integrated out.

        Nats, per the known cells' units; by importance sampling, with its standard error (none
        where nothing is missing).
        """
        values = self._checked(X).values
        self.schema_.check_cells(values, unknown=True)
        values = self.schema_.solved(values)
        with jax.enable_x64(self.float64):
            value, error = marginal_log_prob(self.model_, values, seed_of(random_state))
            return Estimate(jnp.asarray(value), jnp.asarray(error), "consistent")

    def transform(self, X: Any) -> Any:
        """Return each row's latent: for a flow, standard normal where the model holds.

        One per column whose values have a density; NaN where a row has no value.
        """
        frame = self._checked(X)
        with jax.enable_x64(self.float64):
            z = self.model_.transform(frame.values)
        return matrix_to_frame(z, tuple(self.get_feature_names_out()), X, frame.backend)

    def inverse_transform(self, Z: Any) -> Any:
        """Return the rows of latents, in the table's units."""
        check_is_fitted(self)
        frame = from_frame(Z)
        with jax.enable_x64(self.float64):
            values = self.model_.inverse_transform(frame.values)
        return to_frame(values, self.schema_, frame.backend)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the latent's names: z0, z1, …"""
        check_is_fitted(self)
        return np.array([f"z{i}" for i in range(self.model_.n_latents)], object)

    def validate(self, X: Any, *, seed: int = 0) -> list[Check]:
        """Return the checks of the fitted model on rows; see `judge.validation.validate`."""
        (frame, errors), p_values = self._read(X), self.p_values(X)
        rows = TableRows(frame.values, np.ones(len(frame.values)), errors)
        with jax.enable_x64(self.float64):
            return validate(self.model_, rows, p_values, len(self.calibration_), seed)

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write the fitted estimator to a directory that `pushforward.load` reads."""
        check_is_fitted(self)
        save(self, path, overwrite=overwrite)

    def _completed(
        self,
        values: np.ndarray,
        unknown: np.ndarray,
        n: int,
        seed: int,
        backend: Any,
        *,
        there: bool = False,
    ) -> Any:
        with jax.enable_x64(self.float64):
            drawn = drawn_completions(self.model_, values, unknown, n, seed, there=there)
        return to_frame(drawn.reshape(-1, values.shape[1]), self.schema_, backend)

    def _checked(self, X: Any) -> Frame:
        return self._read(X)[0]

    def _read(self, X: Any) -> tuple[Frame, np.ndarray | None]:
        """Return a table as numbers, and the sizes of its errors, if the law knows of any."""
        check_is_fitted(self)
        named = hasattr(self, "feature_names_in_")
        return matching_frame(X, self.schema_, named, type(self).__name__, self.errors)

    def _measured(self, schema: Schema) -> tuple[int, ...]:
        """Return the places of the columns that have errors."""
        errors = self.errors or {}
        strange = [name for name in errors if name not in schema.names]
        if strange:
            raise OptionError(f"errors of {strange}", f"columns among {', '.join(schema.names)}")
        if errors and self.missing == "marginalize":
            raise OptionError("errors with missing='marginalize'", "one of the two")
        measured = tuple(schema.names.index(name) for name in errors)
        check_measured(schema, measured)
        return measured
