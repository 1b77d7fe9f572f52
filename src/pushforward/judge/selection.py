"""Fit a table: split, try what its size calls for, choose on validation rows, report on others."""

import dataclasses
import platform
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pushforward.core.errors import OptionError
from pushforward.core.parameters import count_parameters
from pushforward.fitting.outcome import Fit
from pushforward.judge.baselines import standard_error, weighted_mean
from pushforward.judge.candidates import Candidate, candidates, takes_absent
from pushforward.judge.learning import (
    counted,
    fit_table_columns,
    joined,
    learn_flow,
    learn_gaussian,
)
from pushforward.judge.marginalizing import filled_by, learnable
from pushforward.judge.rows import TableRows
from pushforward.judge.settings import Settings, Task
from pushforward.judge.split import MIN_HOLDOUT, Split, rotations, split_rows
from pushforward.judge.table_baselines import gaussian_baseline, table_baselines
from pushforward.models.registry import names as recipe_names
from pushforward.tables.density import TableDensity
from pushforward.tables.integrated import integrated
from pushforward.tables.schema import Schema

_FOLDS = 5
"""Parts of a small table that take turns: to choose a model by, and as its hold-out."""

_SCORED_ROWS = 20_000
"""Rows at most whose mean chooses a model, and training rows whose mean is reported: enough for an
error below 0.02 nats."""

_CHOOSING_NODES = 8
"""Least number of nodes in a recorded value's cell where models are compared."""


@dataclasses.dataclass(frozen=True)
class TableFit:
    """Hold a fitted table: the density, what calibrates p-values, and the training card.

    Parameters
    ----------
    holdout : places, among the rows of positive weight, of those that only report.
    calibration, calibration_weights : their log-densities in standard units, sorted, and weights:
        where rows differ in which values they have, a column's unit must not change their order.
    card : what was done and what came out.
    """

    model: TableDensity
    holdout: Int[np.ndarray, " m"]
    calibration: Float[np.ndarray, " m"]
    calibration_weights: Float[np.ndarray, " m"]
    card: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Trial:
    """Hold one fitted candidate, how it did on the validation rows, and members with hold-outs."""

    candidate: Candidate
    model: TableDensity
    validation: float
    history: dict[str, list]
    stopped_by: str
    epochs: int
    unseen: tuple[tuple[Split, TableDensity], ...] = ()


_GAUSSIAN = Candidate("gaussian")


def fit_table(
    rows: TableRows,
    schema: Schema,
    settings: Settings,
    given: Schema | None = None,
    measured: tuple[int, ...] = (),
) -> TableFit:
    """Fit a table and describe it.

    Training rows learn, validation rows choose the epoch and the model, hold-out rows only
    report and calibrate. Where validation rows are few, more fits to parts of the rows choose the
    model. A table too small for a hold-out is cross-fitted: every row is scored by a model that
    has not seen it; or, where the model has members, half of the rows, each by a member whose
    nets have not. The columns' scales and splines are then those of all.
    """
    began = time.monotonic()
    if settings.model not in ("auto", *recipe_names()):
        raise OptionError(
            f"model {settings.model!r}", f"'auto' or one of {', '.join(recipe_names())}"
        )
    if settings.split not in ("random", "ordered"):
        raise OptionError(f"split={settings.split!r}", "'random' or 'ordered'")
    if not takes_absent(settings.model):
        schema = schema.without_atoms()
    rows = rows[rows.weights > 0]
    task = Task(rows, schema, given, settings, measured)
    rng = np.random.default_rng(settings.seed)
    shares = (settings.validation, settings.holdout)
    split = split_rows(len(rows), *shares, rng, task.arrangement)
    if settings.max_time is not None and not len(split.holdout) and given is None:
        # The fit, those in turn that choose, and the refits.
        limit = settings.max_time / (2 + _FOLDS)
        task = dataclasses.replace(task, settings=dataclasses.replace(settings, max_time=limit))
    ready = learnable(task, split)
    trials = _try_all(task, ready, split)
    best = max(trials, key=lambda trial: trial.validation)
    seconds = time.monotonic() - began
    unseen, learned = [(split, best.model)] if len(split.holdout) else list(best.unseen), [ready]
    if not unseen:
        turns = rotations(np.arange(len(rows)), _FOLDS, rng, task.arrangement)
        refits = [Split(train, np.arange(0), held) for train, held in turns]
        learned = [learnable(task, part) for part in refits]
        unseen = [
            (part, _refit(task, own, part, best)) for own, part in zip(learned, refits, strict=True)
        ]
    parts = [part for part, _ in unseen]
    scores = [_scores(model, rows[part.holdout]) for part, model in unseen]
    baselines = (
        gaussian_baseline(task, parts, list(map(_gaussian, learned, parts)))
        if task.marginalizes
        else table_baselines(task, parts, max(seconds, 5.0), rng)
    )
    places = np.concatenate([part.holdout for part in parts])
    reported = rows[places]
    held = np.concatenate(scores)
    unitless = held + best.model.log_scale(reported.values)
    order = np.argsort(unitless)
    seen = rows[split.train[: min(len(split.train), _SCORED_ROWS)]]
    chosen = len(split.validation) > 0
    card = {
        "rows": len(rows),
        "columns": len(schema.columns),
        "given": [] if given is None else list(given.names),
        "model": best.candidate.name,
        "evidence": str(best.model.evidence),
        "n_parameters": _size(best),
        "train_nats": weighted_mean(_scores(best.model, seen), seen.weights),
        "validation_nats": best.validation if chosen else None,
        "holdout_nats": weighted_mean(held, reported.weights),
        "holdout_se": standard_error(held, reported.weights),
        "holdout_kind": "hold-out" if len(split.holdout) else "cross-fitted",
        "baselines": {name: b and b["nats"] for name, b in baselines.items()},
        "baseline_se": {name: b and b["se"] for name, b in baselines.items()},
        "candidates": {
            trial.candidate.name: trial.validation if chosen else None for trial in trials
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
        "options": {
            **dict(best.candidate.options),
            "dropout": best.candidate.dropout,
            "members": best.candidate.members,
        },
        "versions": {
            "pushforward": version("pushforward"),
            "jax": version("jax"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
        "seconds": time.monotonic() - began,
    }
    return TableFit(best.model, places, unitless[order], reported.weights[order], card)


def _try_all(task: Task, ready: Task, split: Split) -> list[_Trial]:
    """Fit the Gaussian and each candidate flow to rows that are ready to be learned from."""
    n_given = 0 if task.given is None else len(task.given.columns)
    tried = candidates(task.settings.model, len(split.train), task.schema.dim, n_given)
    if task.measured and not tried:
        raise OptionError("the Gaussian of a table with errors", "'auto' or a flow's name")
    trials = []
    members = tried[0].members if tried else 1
    if (task.settings.model in ("auto", "gaussian") and not task.measured) or not tried:
        # First, for a flow learns as long as the clock lets it.
        trials.append(_try_gaussian(task, ready, split, members))
    trials += [_try_flow(task, ready, split, each) for each in tried]
    few = 0 < len(split.validation) < MIN_HOLDOUT
    if few and members == 1 and len(trials) > 1 and not task.arrangement.ordered:
        return [_tried_in_turn(task, split, trial) for trial in trials]
    return trials


def _tried_in_turn(task: Task, split: Split, trial: _Trial) -> _Trial:
    """Judge a candidate by more fits, to parts of a small table: its validation rows are few.

    All rows that a fit has not learned from judge it, each row in its turn; half of them have
    chosen the epoch.
    """
    limit = None if task.settings.max_time is None else task.settings.max_time / _FOLDS
    judges, scores = [], []
    for part in _member_parts(task, split, _FOLDS):
        task = dataclasses.replace(task, settings=task.settings.anew(limit))
        ready = learnable(task, part)
        if trial.candidate is _GAUSSIAN:
            model = _gaussian(ready, part)
        else:
            model = _flow(task, ready, part, trial.candidate)[0]
        held = np.sort(np.concatenate([part.validation, part.holdout]))
        judges.append(Split(part.train, held, held[:0]))
        scores.append(_validation_scores(task, model, judges[-1]))
    return dataclasses.replace(trial, validation=_mean_score(task, judges, scores))


def _try_gaussian(task: Task, ready: Task, split: Split, members: int) -> _Trial:
    """Fit the Gaussian, judged on the parts that judge the flows."""
    parts = _member_parts(task, split, members)
    models = [_gaussian(ready, part) for part in parts]
    scores = [_validation_scores(task, *pair) for pair in zip(models, parts, strict=True)]
    history = {"epoch": [], "train": [], "validation": [], "skipped": []}
    model = models[0] if len(parts) == 1 else _gaussian(ready, split)
    return _Trial(_GAUSSIAN, model, _mean_score(task, parts, scores), history, "closed_form", 0)


def _gaussian(ready: Task, split: Split) -> TableDensity:
    """Learn the Gaussian of the training rows."""
    model = learn_gaussian(ready, split.train)
    return integrated(model) if ready.marginalizes else model


def _flow(
    task: Task, ready: Task, split: Split, candidate: Candidate, epochs: int | None = None
) -> tuple[TableDensity, Fit, Task]:
    """Learn a flow; of rows that lack cells a second time, filled by what it was the first time.

    The first learning leaves no checkpoint. Returns the rows last learned from, too.
    """
    if task.marginalizes:
        settings = dataclasses.replace(task.settings, checkpoint=None)
        first = dataclasses.replace(ready, settings=settings)
        columns = fit_table_columns(first, split.train)
        model, _ = learn_flow(first, columns, split, candidate, epochs=epochs, sharing=2)
        ready = filled_by(model, task, split, 0)
    columns = fit_table_columns(ready, split.train)
    model, fitted = learn_flow(ready, columns, split, candidate, epochs=epochs)
    return (integrated(model) if task.marginalizes else model), fitted, ready


def _try_flow(task: Task, ready: Task, split: Split, candidate: Candidate) -> _Trial:
    parts = _member_parts(task, split, candidate.members)
    candidate = dataclasses.replace(candidate, members=len(parts))
    learned = ready
    if len(parts) == 1:
        model, fitted, learned = _flow(task, ready, split, candidate)
        found = [(model, fitted)]
    else:
        seen = np.sort(np.concatenate([split.train, split.validation]))
        columns = fit_table_columns(task, seen)
        found = [
            learn_flow(task, columns, part, candidate, member=i, sharing=len(parts) - i)
            for i, part in enumerate(parts)
        ]
    scores = [
        _validation_scores(task, model, part) for (model, _), part in zip(found, parts, strict=True)
    ]
    first = found[0][1]
    models = [model for model, _ in found]
    rows = np.sort(np.concatenate([split.train, split.validation]))
    return _Trial(
        candidate,
        counted(learned, models[0], rows) if len(models) == 1 else joined(models),
        _mean_score(task, parts, scores),
        first.history,
        first.stopped_by,
        len(first.history["epoch"]),
        tuple(zip(parts, models, strict=True)) if len(parts[0].holdout) else (),
    )


def _member_parts(task: Task, split: Split, members: int) -> list[Split]:
    """Return what each member learns from and stops by; and reports, where there is no hold-out."""
    if members == 1 or not len(split.validation):
        return [split]
    rng = np.random.default_rng(task.settings.seed)
    pool = np.sort(np.concatenate([split.train, split.validation]))
    apart = task.arrangement
    turns = [
        (train, apart.arranged(held, rng)) for train, held in rotations(pool, members, rng, apart)
    ]
    least = min(len(held) for _, held in turns)  # of one size where no groups forbid it
    n_chosen = least if len(split.holdout) else -(-least // 2)
    parts = []
    for train, held in turns:
        n = apart.cut(held, n_chosen)
        parts.append(Split(train, held[:n], held[n : max(n, least)]))
    return parts


def _refit(task: Task, ready: Task, part: Split, best: _Trial) -> TableDensity:
    """Fit the chosen candidate again on other rows, one member for as many epochs as were best."""
    if best.candidate is _GAUSSIAN:
        return _gaussian(ready, part)
    losses = best.history["validation"] or best.history["train"]
    epochs = int(np.nanargmin(losses)) + 1 if np.isfinite(losses).any() else 1
    settings = task.settings.anew(task.settings.max_time)
    task, ready = (dataclasses.replace(each, settings=settings) for each in (task, ready))
    model, _, learned = _flow(task, ready, part, best.candidate, epochs)
    return counted(learned, model, part.train)


def _scores(model: TableDensity, rows: TableRows) -> Float[np.ndarray, " n"]:
    return model.log_prob(rows.values, rows.context)


def _validation_scores(task: Task, model: TableDensity, part: Split) -> Float[np.ndarray, " n"]:
    """Return the scores that choose; recorded cells are integrated finely enough to compare.

    A midpoint alone would favour a density that is narrower than the cells.
    """
    fine = dataclasses.replace(model, nodes=max(model.nodes, _CHOOSING_NODES))
    return _scores(fine, task.rows[_choosing(part)])


def _mean_score(task: Task, parts: list[Split], scores: list[np.ndarray]) -> float:
    weights = [task.rows.weights[_choosing(part)] for part in parts]
    score = weighted_mean(np.concatenate(scores), np.concatenate(weights))
    return score if np.isfinite(score) else -np.inf


def _choosing(part: Split) -> np.ndarray:
    """Return the rows that choose between models: evenly some of them where they are many."""
    rows = part.validation if len(part.validation) else part.train
    return rows[:: -(-len(rows) // _SCORED_ROWS)]


def _size(trial: _Trial) -> int:
    if trial.candidate is _GAUSSIAN:
        schema, given = trial.model.schema, trial.model.given
        dim = len(schema.valued)
        codes = sum(size - 1 for size in schema.sizes)
        slopes = dim * (0 if given is None else given.dim)
        return codes + slopes + dim + dim * (dim + 1) // 2
    return count_parameters(trial.model)
