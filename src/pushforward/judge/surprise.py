"""Why a row is odd: how much less odd it would be with another value in one of its cells."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from pushforward.tables.schema import Schema

_STEPS = np.linspace(0.005, 0.995, 33)
"""Quantiles of a column that are tried in a row's place."""

Rows = Float[np.ndarray, "n columns"]


def tried_values(values: Rows, schema: Schema) -> tuple[np.ndarray, ...]:
    """Return per column the values that are tried: its quantiles, or all it has.

    None of a column that is set aside or of a one-hot group: they do not change alone.
    """
    found = []
    for j, column in enumerate(schema.columns):
        there = values[~np.isnan(values[:, j]), j]
        levels = np.unique(there)
        if len(levels) > len(_STEPS):
            levels = np.unique(np.quantile(there, _STEPS, method="nearest"))
        found.append(levels[:0] if column.recipe or column.group else levels)
    return tuple(found)


def surprises(
    oddness: Callable[[Rows], Float[np.ndarray, " n"]],
    values: Rows,
    tried: tuple[np.ndarray, ...],
    schema: Schema,
) -> tuple[Rows, Rows]:
    """Return how much less odd each row would be with another value in a column, and which.

    Cells that follow from others change with them. Cost: 33 scores of a row for each column.
    """
    now = oddness(values)
    gain, best = np.zeros(values.shape), values.copy()
    for j, levels in enumerate(tried):
        if not len(levels):
            continue
        changed = np.repeat(values, len(levels), 0)
        changed[:, j] = np.tile(levels, len(values))
        changed = schema.remade(changed, np.ones(changed.shape, bool))
        odd = oddness(changed).reshape(len(values), -1)
        place = odd.argmin(1)
        with np.errstate(invalid="ignore"):  # a row may be impossible whatever the cell
            gain[:, j] = np.nan_to_num(now - odd[np.arange(len(values)), place], nan=0.0)
        gain[:, j] = np.maximum(gain[:, j], 0)
        best[:, j] = np.where(gain[:, j] > 0, levels[place], values[:, j])
    return gain, best
