"""Fit a table: split, try what its size calls for, choose on validation rows, report on others."""

import dataclasses
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pushforward.core.errors import OptionError
from pushforward.core.parameters import count_parameters
from pushforward.fitting.gradient import fit
from pushforward.fitting.noise import TrainingNoise
from pushforward.fitting.outcome import Fit
from pushforward.judge.baselines import standard_error, weighted_mean
from pushforward.judge.candidates import Candidate, TrainingRows, candidates, flow, gaussian
from pushforward.judge.scaling import scaled_by_moments, spread
from pushforward.judge.split import Split, folds, split_rows
from pushforward.judge.table_baselines import table_baselines
from pushforward.models.registry import names as recipe_names
from pushforward.tables.columns import bounds_warp, fit_columns, inside_edges
from pushforward.tables.density import TableDensity, event_rows
from pushforward.tables.inference import infer_schema
from pushforward.tables.schema import Schema

_FOLDS = 5
"""Parts of a small table that take turns as its hold-out."""

_SCORED_ROWS = 20_000
"""Training rows whose mean is reported: enough for an error below 0.02 nats."""

_CHOOSING_NODES = 8
"""Least number of nodes in a recorded value's cell where models are compared."""

Rows = Float[np.ndarray, "n columns"]
Weights = Float[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Hold the choices of a table fit; see `DensityEstimator` for their meaning."""

    model: str = "auto"
    validation: float = 0.1
    holdout: float = 0.1
    max_epochs: int | None = None
    max_time: float | None = None
    nodes: int = 1
    seed: int = 0
    progress: bool = False
    checkpoint: Path | None = None


@dataclasses.dataclass(frozen=True)
class TableFit:
    """Hold a fitted table: the density, what calibrates p-values, and the training card.

    Calibration scores are log-densities in standard units: where rows differ in which values
    they have, a column's unit must not change their order.
    """

    model: TableDensity
    calibration: Float[np.ndarray, " m"]
    calibration_weights: Float[np.ndarray, " m"]
    card: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Trial:
    """Hold one fitted candidate and how it did on the validation rows."""

    candidate: Candidate
    model: TableDensity
    validation: float
    history: dict[str, list]
    stopped_by: str
    epochs: int


_GAUSSIAN = Candidate("gaussian")


def fit_table(
    values: Rows, weights: Weights | None, schema: Schema, settings: Settings
) -> TableFit:
    """Fit a table and describe it.

    Training rows learn, validation rows choose the epoch and the model, hold-out rows only
    report and calibrate. A table too small for a hold-out is cross-fitted for that: every row is
    scored by a model that has not seen it.
    """
    began = time.monotonic()
    if settings.model not in ("auto", *recipe_names()):
        raise OptionError(
            f"model {settings.model!r}", f"'auto' or one of {', '.join(recipe_names())}"
        )
    weights = np.ones(len(values)) if weights is None else weights
    values, weights = values[weights > 0], weights[weights > 0]
    rng = np.random.default_rng(settings.seed)
    split = split_rows(len(values), settings.validation, settings.holdout, rng)
    trials = _try_all(values, weights, schema, split, settings)
    best = max(trials, key=lambda trial: trial.validation)
    seconds = time.monotonic() - began
    if len(split.holdout):
        parts = [(split, split.holdout)]
        scores = [best.model.log_prob(values[split.holdout])]
    else:
        parts = _cross_splits(len(values), split, rng)
        scores = [
            _refit(values, weights, schema, part, best, settings).log_prob(values[rows])
            for part, rows in parts
        ]
    baselines = table_baselines(values, weights, schema, parts, max(seconds, 5.0), rng)
    rows = np.concatenate([rows for _, rows in parts])
    held, held_weights = np.concatenate(scores), weights[rows]
    unitless = held + best.model.log_scale(values[rows])
    order = np.argsort(unitless)
    seen = split.train[: min(len(split.train), _SCORED_ROWS)]
    card = {
        "rows": len(values),
        "columns": len(schema.columns),
        "model": best.candidate.name,
        "evidence": str(best.model.evidence),
        "n_parameters": _size(best),
        "train_nats": weighted_mean(best.model.log_prob(values[seen]), weights[seen]),
        "validation_nats": best.validation if len(split.validation) else None,
        "holdout_nats": weighted_mean(held, held_weights),
        "holdout_se": standard_error(held, held_weights),
        "holdout_kind": "hold-out" if len(split.holdout) else "cross-fitted",
        "baselines": {name: b and b["nats"] for name, b in baselines.items()},
        "baseline_se": {name: b and b["se"] for name, b in baselines.items()},
        "candidates": {
            trial.candidate.name: trial.validation if len(split.validation) else None
            for trial in trials
        },
        "epochs": best.epochs,
        "stopped_by": best.stopped_by,
        "history": best.history,
        "splits": {
            "train": len(split.train),
            "validation": len(split.validation),
            "holdout": len(split.holdout),
        },
        "seed": settings.seed,
        "options": {**dict(best.candidate.options), "dropout": best.candidate.dropout},
        "versions": {
            "pushforward": version("pushforward"),
            "jax": version("jax"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
        "seconds": time.monotonic() - began,
    }
    return TableFit(best.model, unitless[order], held_weights[order], card)


def _try_all(
    values: Rows, weights: Weights, schema: Schema, split: Split, settings: Settings
) -> list[_Trial]:
    """Fit the Gaussian and each candidate flow."""
    tried = candidates(settings.model, len(split.train), schema.dim)
    trials = [_try_flow(values, weights, schema, split, each, settings) for each in tried]
    if settings.model in ("auto", "gaussian") or not trials:
        trials.insert(0, _try_gaussian(values, weights, schema, split, settings))
    return trials


def _try_gaussian(
    values: Rows, weights: Weights, schema: Schema, split: Split, settings: Settings
) -> _Trial:
    model = _fit_gaussian(values, weights, schema, split, settings)
    score = _validation_score(model, values, weights, split)
    history = {"epoch": [], "train": [], "validation": [], "skipped": []}
    return _Trial(_GAUSSIAN, model, score, history, "closed_form", 0)


def _try_flow(
    values: Rows,
    weights: Weights,
    schema: Schema,
    split: Split,
    candidate: Candidate,
    settings: Settings,
) -> _Trial:
    model, fitted = _fit_flow(values, weights, schema, split, candidate, settings)
    score = _validation_score(model, values, weights, split)
    epochs = len(fitted.history["epoch"])
    return _Trial(candidate, model, score, fitted.history, fitted.stopped_by, epochs)


def _fit_gaussian(
    values: Rows, weights: Weights, schema: Schema, split: Split, settings: Settings
) -> TableDensity:
    train = values[split.train]
    scaled = scaled_by_moments(train, schema)
    u = spread(scaled.standardize(train), scaled, np.random.default_rng(settings.seed))
    rows = TrainingRows(scaled, scaled.codes(train), u, weights[split.train])
    return TableDensity(scaled, gaussian(rows, bounds_warp(scaled)), settings.nodes)


def _fit_flow(
    values: Rows,
    weights: Weights,
    schema: Schema,
    split: Split,
    candidate: Candidate,
    settings: Settings,
    epochs: int | None = None,
) -> tuple[TableDensity, Fit]:
    """Fit a flow; for a given number of epochs, as a refit that leaves no checkpoint."""
    key = jax.random.key(settings.seed)
    net_key, fit_key = jax.random.split(key)
    train_weights = weights[split.train]
    here = infer_schema(values[split.train], schema.names, train_weights, declared=schema)
    u = here.standardize(values[split.train])
    noisy = spread(u, here, np.random.default_rng(settings.seed))
    columns = None
    if here.valued:
        fitted_columns = fit_columns(noisy, here, train_weights)
        here, columns = here.annotated(fitted_columns.notes), fitted_columns.transform
    rows = TrainingRows(here, here.codes(values[split.train]), noisy, train_weights)
    start = flow(candidate, rows, columns, net_key)
    checkpoint = settings.checkpoint and settings.checkpoint / f"{candidate.name}.safetensors"
    held = split.validation
    refit = epochs is not None
    if not refit:
        chosen = settings.max_epochs
        epochs = candidate.max_epochs if chosen is None else chosen
    fitted = fit(
        start,
        event_rows(here, values[split.train], u),
        key=fit_key,
        weights=train_weights,
        validation=(_events(here, values[held]), None, weights[held]) if len(held) else 0.0,
        max_epochs=epochs,
        max_time=settings.max_time,
        learning_rate=candidate.learning_rate,
        progress=settings.progress,
        perturb=_noise(candidate.dropout, here),
        checkpoint=None if refit else checkpoint,
    )
    if fitted.stopped_by == "interrupt":
        raise KeyboardInterrupt
    return TableDensity(here, fitted.model, settings.nodes), fitted


def _events(schema: Schema, values: Rows) -> np.ndarray:
    return event_rows(schema, values, schema.standardize(values))


def _noise(dropout: float, schema: Schema) -> TrainingNoise:
    """Return the noise of learning: dropout, and recorded values spread over their cells."""
    cells, (low, high), n_codes = schema.cells(), inside_edges(schema), len(schema.coded)
    if not cells.any():
        return TrainingNoise(dropout)
    ends = ((cells, 0.0), (low, -np.inf), (high, np.inf))
    padded = (np.concatenate([np.full(n_codes, code), value]) for value, code in ends)
    return TrainingNoise(dropout, *(jnp.asarray(v, float) for v in padded))


def _refit(
    values: Rows, weights: Weights, schema: Schema, part: Split, best: _Trial, settings: Settings
) -> TableDensity:
    """Fit the chosen candidate again on other rows, for as many epochs as were best."""
    if best.candidate is _GAUSSIAN:
        return _fit_gaussian(values, weights, schema, part, settings)
    losses = best.history["validation"] or best.history["train"]
    epochs = int(np.nanargmin(losses)) + 1 if np.isfinite(losses).any() else 1
    return _fit_flow(values, weights, schema, part, best.candidate, settings, epochs)[0]


def _cross_splits(n: int, split: Split, rng: np.random.Generator) -> list[tuple[Split, np.ndarray]]:
    """Return splits whose training rows are all but one fold, of one size (compiled once)."""
    nothing = np.arange(0)
    parts = folds(n, _FOLDS, rng)
    size = n - max(map(len, parts))
    others = [np.setdiff1d(np.arange(n), part)[:size] for part in parts]
    return [(Split(train, nothing, rows), rows) for train, rows in zip(others, parts, strict=True)]


def _validation_score(model: TableDensity, values: Rows, weights: Weights, split: Split) -> float:
    """Return the mean score that chooses; recorded cells are integrated finely enough to compare.

    A midpoint alone would favour a density that is narrower than the cells.
    """
    rows = split.validation if len(split.validation) else split.train
    fine = TableDensity(model.schema, model.density, max(model.nodes, _CHOOSING_NODES))
    score = weighted_mean(fine.log_prob(values[rows]), weights[rows])
    return score if np.isfinite(score) else -np.inf


def _size(trial: _Trial) -> int:
    if trial.candidate is _GAUSSIAN:
        dim = trial.model.n_latents
        codes = sum(size - 1 for size in trial.model.schema.sizes)
        return codes + dim + dim * (dim + 1) // 2
    return count_parameters(trial.model)
