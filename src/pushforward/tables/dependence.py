"""Columns that follow exactly from others: sums, copies, one-hot groups. They are set aside."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from pushforward.tables.column import Column
from pushforward.tables.schema import Schema

_ROWS = 2_000
"""Rows on which dependence is looked for; what is found must hold on all."""

_EXACT = 1e-7
"""Share of a column's spread that others may miss it by: float32's rounding of sums."""

_SMALL = 1e-6
"""Share of a column's spread below which another's part in it is rounding, not a part."""

_LEAST_EXCESS = 20
"""Rows more than columns, so that a dependence is none of chance."""

_LEAST_GROUP = 3
"""Columns of a one-hot group: two are each other's complement, a linear dependence."""

_DIGITS = 9
"""Digits of a factor: beyond, they are rounding."""

Values = Float[np.ndarray, "n columns"]


def set_aside_dependent(schema: Schema, values: Values, declared: tuple[str, ...] = ()) -> Schema:
    """Return the schema in which columns that others determine are so marked.

    One-hot groups (neighbouring columns of zeros and a single one) become one column of several
    states; then, from left to right, each column of numbers that is a linear function of those
    before it, in every row, is dependent. A density over such columns would be infinite.

    Parameters
    ----------
    values : the rows, NaN where a cell is missing: such columns stay as they are.
    declared : names of columns that stay as they are, like dates and their parts.
    """
    columns = list(schema.columns)
    free = ~np.isnan(values).any(0)
    free &= np.array([c.name not in declared and not (c.part_of or c.recipe) for c in columns])
    for group in _one_hot_groups(columns, values, free):
        names = tuple(columns[i].name for i in group)
        for k, i in enumerate(group):
            columns[i] = _part_of_group(columns[i], names, k)
    _mark_linear(columns, values, free)
    return Schema(tuple(columns))


def _one_hot_groups(
    columns: list[Column], values: Values, free: Bool[np.ndarray, " columns"]
) -> list[list[int]]:
    """Return the longest runs of neighbouring columns that hold a single one in each row."""
    flags = [
        free[i]
        and column.kind in ("ordinal", "boolean")
        and bool(np.isin(values[:, i], (0.0, 1.0)).all())
        for i, column in enumerate(columns)
    ]
    groups, i = [], 0
    while i < len(columns):
        total, end, found = np.zeros(len(values)), i, 0
        while end < len(columns) and flags[end] and total.max(initial=0) <= 1:
            total, end = total + values[:, end], end + 1
            if (total == 1).all():
                found = end
                break
        if found - i >= _LEAST_GROUP:
            groups.append(list(range(i, found)))
            i = found
        else:
            i += 1
    return groups


def _part_of_group(column: Column, names: tuple[str, ...], k: int) -> Column:
    kind, reason = "dependent", f"one of a one-hot group that {names[0]} stands for"
    if k == 0:
        kind, reason = "one-hot", f"one-hot group of {', '.join(names)}"
    return dataclasses.replace(column, kind=kind, group=names, atoms=(), reason=reason)


def _mark_linear(columns: list[Column], values: Values, free: Bool[np.ndarray, " columns"]) -> None:
    """Mark each column of numbers that is a linear function of those before it."""
    rows = np.unique(np.linspace(0, len(values) - 1, min(len(values), _ROWS)).astype(int))
    numbers = [
        i
        for i, c in enumerate(columns)
        if free[i] and (c.is_valued or c.kind in ("ordinal", "boolean"))
    ]
    if len(rows) < len(numbers) + _LEAST_EXCESS:
        return
    kept: list[int] = []
    basis = np.ones((len(rows), 1)) / np.sqrt(len(rows))
    for i in numbers:
        with np.errstate(over="ignore", invalid="ignore"):  # sd may pass what float64 holds
            cells = values[rows, i] - values[rows, i].mean()
            sd = float(np.sqrt((cells**2).mean()))
        if not (np.isfinite(sd) and sd > 0):
            continue
        left = cells / sd
        for _ in range(2):  # twice is enough for orthogonality to the last digits
            left = left - basis @ (basis.T @ left)
        size = float(np.sqrt((left**2).mean()))
        made = _linear(i, kept, columns, values) if size < _EXACT and kept else None
        if made is None:
            kept.append(i)
            if size >= _EXACT:
                basis = np.concatenate([basis, left[:, None] / np.linalg.norm(left)], 1)
        else:
            place, recipe, intercept = _as_sum(i, *made, columns)
            spread = _spread(values[:, place])
            columns[place] = _dependent(columns, place, recipe, intercept, spread)
            kept = [j for j in [*kept, i] if j != place]


def _linear(
    i: int, kept: list[int], columns: list[Column], values: Values
) -> tuple[dict[int, float], float] | None:
    """Return a column's factors of others and its intercept, if it follows in every row."""
    cells, others = values[:, i], values[:, kept]
    sizes = others.std(0)
    scaled = (others - others.mean(0)) / sizes
    target, sd, spread = cells - cells.mean(), cells.std(), _spread(cells)
    parts = np.arange(len(kept))
    for _ in range(2):  # all, then those that have a part
        factors = np.linalg.lstsq(scaled[:, parts], target, rcond=None)[0]
        parts = parts[np.abs(factors) > _SMALL * sd]
    if not len(parts):
        return None
    factors = np.linalg.lstsq(scaled[:, parts], target, rcond=None)[0] / sizes[parts]
    factors = np.array([_tidy(factor) for factor in factors])
    intercept = float(np.median(cells - others[:, parts] @ factors))
    slack = _EXACT * spread
    intercept = intercept if abs(_tidy(intercept) - intercept) > slack else _tidy(intercept)
    intercept = intercept if abs(intercept) > slack else 0.0
    missed = np.abs(cells - intercept - others[:, parts] @ factors)
    size = np.abs(cells) + np.abs(others[:, parts]) @ np.abs(factors)
    if not (missed <= 10 * slack + 16 * np.finfo(float).eps * size).all():
        return None
    return {kept[p]: float(f) for p, f in zip(parts, factors, strict=True)}, intercept


def _as_sum(
    i: int, factors: dict[int, float], intercept: float, columns: list[Column]
) -> tuple[int, dict[int, float], float]:
    """Turn a relation so that one column is a sum of the others with positive factors, if it can.

    A total is set aside rather than a part of it: a part made of the total may fall below zero.
    """
    positive = [j for j, factor in factors.items() if factor > 0]
    used = {name for column in columns for name, _ in column.recipe}
    if len(positive) != 1 or len(factors) < 2 or columns[positive[0]].name in used:
        return i, factors, intercept
    total, share = positive[0], factors[positive[0]]
    others = {i: 1.0, **{j: -factor for j, factor in factors.items() if j != total}}
    turned = {j: _tidy(factor / share) for j, factor in others.items()}
    return total, turned, -intercept / share


def _dependent(
    columns: list[Column], i: int, factors: dict[int, float], intercept: float, spread: float
) -> Column:
    recipe = tuple((columns[j].name, factor) for j, factor in factors.items())
    told = " + ".join(name if f == 1 else f"{f:g}·{name}" for name, f in recipe)
    old = columns[i]
    return Column(
        old.name,
        "dependent",
        resolution=old.resolution,
        scale=spread,
        recipe=recipe,
        intercept=intercept,
        dtype=old.dtype,
        reason=f"equals {f'{intercept:g} + ' if intercept else ''}{told} in every row",
    )


def _spread(cells: Float[np.ndarray, " n"]) -> float:
    """Return the width of the middle half, in sd of a Gaussian: huge cells excuse nothing."""
    low, high = np.quantile(cells, (0.25, 0.75))
    return float((high - low) / 1.349) or float(cells.std())


def _tidy(number: float) -> float:
    """Return the number without its last digits, which are rounding."""
    return float(f"{number:.{_DIGITS}g}")
