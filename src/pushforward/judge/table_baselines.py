"""Baselines of a table, scored on the rows and against the measure that its model is scored on."""

import dataclasses

import numpy as np
from jaxtyping import Float

from pushforward.judge.baselines import score_baselines, standard_error, weighted_mean
from pushforward.judge.candidates import TrainingRows, gaussian
from pushforward.judge.learning import learn_gaussian
from pushforward.judge.scaling import scaled_by_moments, spread
from pushforward.judge.settings import Task
from pushforward.judge.split import Split
from pushforward.tables.columns import bounds_warp
from pushforward.tables.density import TableDensity

_BASELINE_SHARE = 0.1
"""Share of the fit's time that the baselines may take."""

Weights = Float[np.ndarray, " n"]


def table_baselines(
    task: Task, parts: list[Split], seconds: float, rng: np.random.Generator
) -> dict[str, dict[str, float] | None]:
    """Score the baselines on the rows that the model is reported on, the parts' hold-outs.

    They learn from dequantized rows, drawn by their weights where these differ, and choose their
    sizes on the validation rows, or on a tenth of the training rows where there are none.
    """
    found: dict[str, list[np.ndarray]] = {}
    for part in parts:
        if task.given is None:
            scores = _part_scores(task, part, seconds * _BASELINE_SHARE / len(parts), rng)
        else:
            scores = _conditional_scores(task, part)
        for name, log_prob in scores.items():
            lost = np.full(len(part.holdout), np.nan)
            found.setdefault(name, []).append(lost if log_prob is None else log_prob)
    return _described(task, parts, {n: np.concatenate(scores) for n, scores in found.items()})


def gaussian_baseline(
    task: Task, parts: list[Split], models: list[TableDensity]
) -> dict[str, dict[str, float] | None]:
    """Score a Gaussian of each part on the part's hold-out: where rows lack cells, all there is."""
    scores = [
        model.log_prob(task.rows.values[part.holdout])
        for part, model in zip(parts, models, strict=True)
    ]
    return _described(task, parts, {"gaussian": np.concatenate(scores)})


def _described(
    task: Task, parts: list[Split], joined: dict[str, np.ndarray]
) -> dict[str, dict[str, float] | None]:
    """Return each baseline's mean score and its standard error; none where it failed."""
    held = task.rows.weights[np.concatenate([part.holdout for part in parts])]
    return {
        name: {"nats": weighted_mean(scores, held), "se": standard_error(scores, held)}
        if np.isfinite(scores).all()
        else None
        for name, scores in joined.items()
    }


def _conditional_scores(task: Task, part: Split) -> dict[str, np.ndarray | None]:
    """Return the scores of linear regression, and of a law that does not know what is given."""
    held = task.rows[part.holdout]
    alone = dataclasses.replace(task, given=None)
    without = learn_gaussian(alone, part.train).log_prob(held.values)
    if not task.schema.valued:
        return {"unconditional": without}
    linear = learn_gaussian(task, part.train).log_prob(held.values, held.context)
    return {"linear": linear, "unconditional": without}


def _part_scores(
    task: Task, part: Split, seconds: float, rng: np.random.Generator
) -> dict[str, np.ndarray | None]:
    """Return each baseline's log-densities of the hold-out rows, against the model's own measure.

    Codes are independent of each other and of the values. Where values can be absent the only
    baseline is the Gaussian, linear in the codes: mixtures and kernels need all values.
    """
    values, weights = task.rows.values, task.rows.weights
    train, choose = part.train, part.validation
    if not len(choose):
        order = rng.permutation(train)
        choose, train = np.split(order, [max(1, len(order) // 10)])
    drawn = [_by_weight(i, weights, rng) for i in (train, choose)]
    train, choose, test = (values[i] for i in (*drawn, part.holdout))
    scaled = scaled_by_moments(values[part.train], task.schema)
    learn = TrainingRows(
        scaled,
        scaled.codes(train),
        spread(scaled.standardize(train), scaled, rng),
        np.ones(len(train)),
        np.empty((len(train), 0)),
    )
    if scaled.is_partial or not scaled.valued:
        name = "gaussian" if scaled.valued else "independent"
        model = TableDensity(scaled, gaussian(learn, bounds_warp(scaled)))
        return {name: model.log_prob(test)}
    codes = scaled.codes(test).astype(int)
    log_mass = np.zeros(len(test))
    for k, mass in enumerate(learn.masses()):
        log_mass += np.where(codes[:, k] < 0, -np.inf, np.log(mass)[codes[:, k]])
    u = scaled.standardize(test)
    scores = score_baselines(
        learn.u,
        spread(scaled.standardize(choose), scaled, rng),
        u,
        float(scaled.log_scale(u[:1])[0]),
        max_time=seconds,
        rng=rng,
    )
    return {name: None if s is None else s + log_mass for name, s in scores.items()}


def _by_weight(rows: np.ndarray, weights: Weights, rng: np.random.Generator) -> np.ndarray:
    """Return the rows, or as many drawn by weight where weights differ: peers know no weights."""
    share = weights[rows]
    if not len(rows) or (share == share[0]).all():
        return rows
    return rng.choice(rows, len(rows), p=share / share.sum())
