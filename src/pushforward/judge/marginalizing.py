"""Learn the law of whole rows from rows that lack cells: by turns fill these and learn."""

import dataclasses

import numpy as np

from pushforward.core.errors import DataError
from pushforward.judge.learning import learn_gaussian
from pushforward.judge.settings import Task
from pushforward.judge.split import Split
from pushforward.tables.column import Column
from pushforward.tables.completing import unknown_cells
from pushforward.tables.density import TableDensity
from pushforward.tables.integrated import integrated
from pushforward.tables.schema import Schema

_TURNS = 5
"""Gaussians in turn, each of rows that the one before has filled."""

_ENOUGH = 20
"""Whole rows for each number of an event, from which the first Gaussian is learned from these."""

_CANDIDATES = 64
"""Candidates for a row's unknown cells, of which one fills them."""


def whole_schema(schema: Schema) -> Schema:
    """Return the columns as they are in whole rows: nothing is missing."""
    return Schema(tuple(map(_whole, schema.columns)))


def learnable(task: Task, split: Split) -> Task:
    """Return the task with rows to learn from: where they lack cells, filled by Gaussians.

    The first is that of the whole rows if they are enough, otherwise of rows filled with cells of
    others. Rows that report are left as they are, and no part of it.
    """
    if not task.marginalizes:
        return task
    values = task.schema.solved(task.rows.values)
    unknown = unknown_cells(task.schema, values)
    whole = split.train[~unknown[split.train].any(1)]
    if len(whole) >= _ENOUGH * task.schema.dim:
        filled = filled_by(learn_gaussian(task, whole), task, split, _TURNS)
    else:
        rng = np.random.default_rng([task.settings.seed, len(split.train)])
        for j in np.flatnonzero(unknown.any(0)):
            seen = split.train[~unknown[split.train, j]]
            if not len(seen):
                raise DataError(
                    f"column {task.schema.names[j]!r} without a known cell in the rows that learn",
                    "some known cells among them",
                    "leave the column out, or missing='model'",
                )
            lost = np.flatnonzero(unknown[:, j])
            values[lost, j] = values[rng.choice(seen, len(lost)), j]
        filled = _with_values(task, values)
    for turn in range(_TURNS):
        filled = filled_by(learn_gaussian(filled, split.train), task, split, turn)
    return filled


def filled_by(model: TableDensity, task: Task, split: Split, turn: int) -> Task:
    """Fill the unknown cells of rows that learn and choose with draws from a law of whole rows."""
    values = task.rows.values.copy()
    used = np.concatenate([split.train, split.validation])
    seed = task.settings.seed + turn
    values[used] = integrated(model).filled(values[used], seed, _CANDIDATES)
    return _with_values(task, values)


def _with_values(task: Task, values: np.ndarray) -> Task:
    return dataclasses.replace(task, rows=dataclasses.replace(task.rows, values=values))


def _whole(column: Column) -> Column:
    if column.kind == "constant":
        return column
    levels = len(column.atoms) + len(column.categories)
    if column.is_valued or column.kind == "dependent" or levels > 1:
        return dataclasses.replace(column, missing=False)
    constant = column.atoms[0] if column.atoms else 0.0
    return dataclasses.replace(column, kind="constant", constant=constant, atoms=(), missing=False)
