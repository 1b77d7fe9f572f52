"""The columns that a law is conditioned on, as the numbers that nets see."""

import dataclasses

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, ShapeError
from pushforward.tables.column import SET_ASIDE, Column
from pushforward.tables.schema import Schema

MAX_CONTEXT = 10.0
"""Conditions reach nets within ±10 sd of arcsinh's image: far out they say no more."""

STRAIGHT = 10.0
"""Sd of a column within which an unwarped number stays as it is."""

_TURNS = 50
"""Times at most that values beyond ±`STRAIGHT` sd are clipped there to find a column's sd."""

Values = Float[np.ndarray, "n columns"]
Given = Float[np.ndarray, "_ given"]
"""Rows of the columns that are given: one for each row that has a law, or one for all."""


@dataclasses.dataclass(frozen=True)
class ContextColumns:
    r"""Turn columns that are given into numbers of order one.

    A number becomes (w − mean)/sd, and 0 where it is missing: with w = arcsinh((v − centre)/scale)
    and within ±`MAX_CONTEXT`; or, where columns are not warped, with w = (v − centre)/scale and
    logarithmic beyond ±`STRAIGHT`. A number on a circle becomes √2 cos and √2 sin. A flag each
    says whether the cell is one of the column's categories, is one of its single values (where
    there are more than two), or is missing.

    Parameters
    ----------
    schema : the columns.
    moments : per column (mean, sd) of w; not warped, with w clipped to ±`STRAIGHT` of these very
        sd, so that a few wild cells do not rule. (0, 1) without numbers.
    warped : whether arcsinh bends the middle too.
    single_values : whether single values have flags.

    Source hastie2009elements
    """

    schema: Schema
    moments: tuple[tuple[float, float], ...]
    warped: bool = True
    single_values: bool = True

    def __post_init__(self) -> None:
        if len(self.moments) != len(self.schema.columns):
            raise ShapeError(f"{len(self.moments)} moments", f"{len(self.schema.columns)}")

    @property
    def dim(self) -> int:
        """Return how many numbers a row becomes."""
        return sum(
            _is_number(c) + bool(c.circle) + len(self._flagged(c)) for c in self.schema.columns
        )

    def encode(self, values: Values, strict: bool = True) -> Float[np.ndarray, "n c"]:
        """Return the numbers of rows; what was never seen has no flag where that is allowed.

        Raises
        ------
        DataError : with `strict`, a text is none of its column's categories, or a cell is
            missing where none was in the table the model was fitted on.
        """
        found = []
        for i, (column, (mean, sd)) in enumerate(
            zip(self.schema.columns, self.moments, strict=True)
        ):
            cells = values[:, i]
            if strict:
                _check(column, cells)
            if column.circle:
                turns = 2 * np.pi * cells / column.circle[1]
                both = (np.sqrt(2) * np.cos(turns), np.sqrt(2) * np.sin(turns))
                found.extend(np.nan_to_num(part, nan=0.0) for part in both)
            elif _is_number(column):
                number = (_scaled(column, cells, self.warped) - mean) / sd
                number = (
                    np.clip(number, -MAX_CONTEXT, MAX_CONTEXT) if self.warped else _bent(number)
                )
                found.append(np.nan_to_num(number, nan=0.0))
            codes = column.codes(cells)
            found.extend((codes == k).astype(float) for k in self._flagged(column))
        return np.stack(found, 1)

    def _flagged(self, column: Column) -> tuple[int, ...]:
        """Return the codes that have a flag: all but that of a value, and of two numbers."""
        if column.kind in SET_ASIDE:
            return ()
        first, singles = int(column.is_valued), len(column.atoms)
        if not self.single_values or (not column.is_valued and singles == 2):
            first += singles
        return tuple(range(first, len(column.states)))


def fit_context(
    values: Values,
    schema: Schema,
    weights: Float[np.ndarray, " n"],
    warped: bool = True,
    single_values: bool = True,
) -> ContextColumns:
    """Return the columns with the moments of these rows."""
    moments = []
    for i, column in enumerate(schema.columns):
        mean, sd = 0.0, 1.0
        number = _scaled(column, values[:, i], warped)
        there = ~np.isnan(number)
        if _is_number(column) and weights[there].any():
            mean, sd = _moments(number[there], weights[there])
            for _ in range(0 if warped else _TURNS):
                ends = (mean - STRAIGHT * sd, mean + STRAIGHT * sd)
                before, (mean, sd) = sd, _moments(np.clip(number[there], *ends), weights[there])
                if sd == before:
                    break
        moments.append((mean, sd))
    return ContextColumns(schema, tuple(moments), warped, single_values)


def _is_number(column: Column) -> bool:
    return column.kind not in ("categorical", *SET_ASIDE)


def _moments(number: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    mean = float(np.average(number, weights=weights))
    return mean, float(np.sqrt(np.average((number - mean) ** 2, weights=weights))) or 1.0


def _scaled(column: Column, cells: np.ndarray, warped: bool) -> np.ndarray:
    u = (cells - column.centre) / column.scale
    return np.arcsinh(u) if warped else u


def _bent(number: np.ndarray) -> np.ndarray:
    """Return the number within ±`STRAIGHT`, and logarithms beyond: they keep the order."""
    beyond = np.maximum(np.abs(number) - STRAIGHT, 0.0)
    return np.clip(number, -STRAIGHT, STRAIGHT) + np.sign(number) * np.log1p(beyond)


def _check(column: Column, cells: np.ndarray) -> None:
    lost = np.isnan(cells) & (not column.missing and column.kind != "constant")
    unknown = (cells < 0) & (column.kind == "categorical")
    for wrong, what in ((lost, "a missing value"), (unknown, "a text not seen before")):
        if wrong.any():
            raise DataError(
                f"column {column.name!r}, row {int(np.argmax(wrong))}: {what} "
                f"({wrong.sum()} such rows)",
                "cells of the kinds that the table had on which the model was fitted",
                "drop or fill these rows first, or fit again on a table that has such cells",
            )
