"""The law of whole rows, asked about rows that lack cells: these are integrated out."""

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.tables.completing import (
    CANDIDATES,
    Cells,
    drawn_completions,
    marginal_log_prob,
    unknown_cells,
)
from pushforward.tables.context import Given
from pushforward.tables.density import TableDensity

_SEED = 0
"""Of candidates: a row's score is the same each time."""


class Integrated(TableDensity):
    r"""Evaluate the known cells of rows of a law in which no cell is missing.

    log p(known) = log ∫ p(known, unknown) d unknown

    NaN is what is unknown. Exact where nothing is, and where only codes are, few enough to be
    listed; elsewhere by importance sampling (`tables.completing`), whose standard error
    `marginal_log_prob` tells. Samples are whole rows.

    Cost: one evaluation for a whole row, `CANDIDATES` for another. Source owen2013montecarlo
    """

    @property
    def evidence(self) -> Evidence:
        return Evidence.ESTIMATE

    def log_prob(self, values: Cells, context: Given | None = None) -> Float[np.ndarray, " n"]:
        if context is not None:
            raise OptionError("a law with given columns, cells integrated out", "a joint law")
        self.schema.check_cells(values, unknown=True)
        return marginal_log_prob(self, self.schema.solved(values), _SEED)[0]

    def log_scale(self, values: Cells) -> Float[np.ndarray, " n"]:
        return TableDensity.log_scale(self, self.schema.solved(values))

    def transform(self, values: Cells) -> Float[np.ndarray, "n dim"]:
        return TableDensity.transform(self, self.filled(values, _SEED))

    def filled(self, values: Cells, seed: int, candidates: int = CANDIDATES) -> Cells:
        """Return rows with a draw in each unknown cell, given the row's others."""
        values = self.schema.solved(values)
        unknown = unknown_cells(self.schema, values)
        some = unknown.any(1)
        drawn = drawn_completions(
            self, values[some], unknown[some], 1, seed, there=True, candidates=candidates
        )
        values[some] = drawn[:, 0]
        return values


def integrated(model: TableDensity) -> Integrated:
    """Return the law with unknown cells integrated out."""
    fields = (model.schema, model.density, model.nodes, model.given)
    return Integrated(*fields)
