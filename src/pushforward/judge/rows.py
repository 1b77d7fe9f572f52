"""Rows of a table as they are split, learned from and scored."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

Cells = Float[np.ndarray, "n columns"]
Weights = Float[np.ndarray, " n"]
Given = Float[np.ndarray, "n given"]


@dataclasses.dataclass(frozen=True)
class TableRows:
    """Hold the cells of rows, their weights, and the cells that their law is conditioned on.

    Parameters
    ----------
    values : cells of the columns that have a law, in the table's units.
    weights : one per row.
    context : cells of the columns that are given, or none.
    units : per row the number of its group, or none; groups stay on one side of a split.
    """

    values: Cells
    weights: Weights
    context: Given | None = None
    units: Int[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> "TableRows":
        context = None if self.context is None else self.context[rows]
        units = None if self.units is None else self.units[rows]
        return TableRows(self.values[rows], self.weights[rows], context, units)
