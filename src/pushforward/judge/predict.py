"""What a conditional law says of its columns: means, quantiles, scores."""

import jax
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.errors import OptionError
from pushforward.tables import univariate
from pushforward.tables.column import Column
from pushforward.tables.density import TableDensity

DRAWS = 1000
"""Draws a row where several columns leave no closed form: 3 % of an sd as the mean's error."""

_ROWS_AT_ONCE = 1 << 18
"""Drawn rows held in memory at once."""

Given = Float[np.ndarray, "rows given"]


def draws(
    model: TableDensity, key: Array, context: Given, n: int
) -> Float[np.ndarray, "rows draws columns"]:
    """Draw n rows for each row of the context."""
    at_once = max(1, _ROWS_AT_ONCE // max(n, 1))
    parts = [np.empty((0, n, len(model.schema.columns)))]
    for i, first in enumerate(range(0, len(context), at_once)):
        piece = context[first : first + at_once]
        drawn = model.sample(jax.random.fold_in(key, i), len(piece) * n, np.repeat(piece, n, 0))
        parts.append(drawn.reshape(len(piece), n, -1))
    return np.concatenate(parts)


def means(model: TableDensity, key: Array, context: Given) -> Float[np.ndarray, "rows columns"]:
    """Return each column's mean, and the likeliest category of a column of texts.

    One column of numbers: by quantiles (`univariate.mean`); else of `DRAWS` draws a row. On a
    circle the direction of the mean of points.
    """
    if is_univariate(model):
        return univariate.mean(model, len(context), context)[:, None]
    drawn = draws(model, key, context, DRAWS)
    found = [
        _commonest(drawn[:, :, j], len(column.categories))
        if column.categories
        else _mean_of(column, drawn[:, :, j])
        for j, column in enumerate(model.schema.columns)
    ]
    return np.stack(found, 1)


def quantiles(
    model: TableDensity, key: Array, context: Given, probabilities: np.ndarray
) -> Float[np.ndarray, "rows columns q"]:
    """Return each column's own quantiles: exact for one column, else of `DRAWS` draws a row.

    On a circle they run from the point opposite to the mean.

    Raises
    ------
    OptionError : a column is of texts, which have no order.
    """
    texts = [column.name for column in model.schema.columns if column.categories]
    if texts:
        raise OptionError(f"quantiles of {', '.join(texts)}", "columns of numbers")
    if is_univariate(model):
        return univariate.quantiles(model, probabilities, len(context), context)[:, None]
    drawn, columns = draws(model, key, context, DRAWS), model.schema.columns
    drawn = np.stack(
        [_around_mean(c, drawn[:, :, j], drawn[:, :, j]) for j, c in enumerate(columns)], 2
    )
    found = np.nanquantile(drawn, probabilities, axis=1, method="inverted_cdf")
    rolled = [column.rolled(found[:, :, j]) for j, column in enumerate(columns)]
    return np.moveaxis(np.stack(rolled, 2), 0, -1)


def crps(
    model: TableDensity, key: Array, context: Given, values: Float[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "rows columns"]:
    r"""Return the continuous ranked probability score of each column: smaller is better.

    CRPS(F, y) = ∫ (F(t) − [t ≥ y])² dt = E|Y − y| − E|Y − Y'|/2

    in the column's units: the absolute error of a law without spread. On a circle Y and y are those
    of the line that begins opposite to the mean. Of one column by points of
    its law (`univariate.points`), else by `DRAWS` draws a row. Source gneiting2007scoring
    """
    texts = [column.name for column in model.schema.columns if column.categories]
    if texts:
        raise OptionError(f"the ranked probability score of {', '.join(texts)}", "numbers")
    if is_univariate(model):
        where, weights = univariate.points(model, len(context), context)
        return _ranked(where, weights, values[:, 0])[:, None]
    drawn = draws(model, key, context, DRAWS)
    equal = np.full(drawn.shape[:2], 1 / DRAWS)
    each = []
    for j, column in enumerate(model.schema.columns):
        own, told = drawn[:, :, j], values[:, j, None]
        on_line = (_around_mean(column, own, own), _around_mean(column, own, told)[:, 0])
        each.append(_ranked(on_line[0], equal, on_line[1]))
    return np.stack(each, 1)


def _ranked(
    points: Float[np.ndarray, "rows points"],
    weights: Float[np.ndarray, "rows points"],
    values: Float[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """Return the score of a law of weighted points, NaN ones left out."""
    weights = np.where(np.isnan(points), 0.0, weights)
    weights = weights / weights.sum(1, keepdims=True)
    order = np.argsort(points, 1)
    x = np.nan_to_num(np.take_along_axis(points, order, 1))
    w = np.take_along_axis(weights, order, 1)
    half_spread = (w * x * (2 * np.cumsum(w, 1) - w - 1)).sum(1)
    return (w * np.abs(x - values[:, None])).sum(1) - half_spread


def is_univariate(model: TableDensity) -> bool:
    """Tell whether the law is that of one column of numbers, and its distribution is known."""
    first, *others = model.schema.columns
    plain = not (others or first.categories or first.missing or first.circle)
    return plain and univariate.is_exact(model)


def _commonest(codes: Float[np.ndarray, "rows draws"], size: int) -> Float[np.ndarray, " rows"]:
    counts = np.stack([(codes == k).sum(1) for k in range(size)], 1)
    return counts.argmax(1).astype(float)


def _mean_of(column: Column, cells: Float[np.ndarray, "rows draws"]) -> Float[np.ndarray, " rows"]:
    if not column.circle:
        return _mean_there(cells)
    turn = 2 * np.pi / column.circle[1]
    middle = np.arctan2(_mean_there(np.sin(turn * cells)), _mean_there(np.cos(turn * cells)))
    return column.rolled(middle / turn)


def _around_mean(
    column: Column, draws: Float[np.ndarray, "rows draws"], cells: Float[np.ndarray, "rows k"]
) -> Float[np.ndarray, "rows k"]:
    """Return cells of a circle within half a turn of the draws' mean; others as they are."""
    if not column.circle:
        return cells
    period, middle = column.circle[1], _mean_of(column, draws)[:, None]
    return middle + np.mod(cells - middle + period / 2, period) - period / 2


def _mean_there(cells: Float[np.ndarray, "rows draws"]) -> Float[np.ndarray, " rows"]:
    """Return the means of the cells that are there; NaN where none is."""
    there = ~np.isnan(cells)
    count = there.sum(1)
    total = np.where(there, cells, 0.0).sum(1)
    return np.divide(total, count, where=count > 0, out=np.full(len(cells), np.nan))
