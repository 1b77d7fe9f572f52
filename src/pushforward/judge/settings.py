"""What is to be learned from a table, and the choices of its fit."""

import dataclasses
import time
from pathlib import Path

from pushforward.judge.rows import TableRows
from pushforward.judge.split import Arrangement
from pushforward.tables.schema import Schema

_LEARNING = 0.8
"""Share of a fit's time by which learning ends: the rest is for choosing and reporting."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Hold the choices of a table fit; see `DensityEstimator` for their meaning.

    The clock of `max_time` runs from `began` on, a time of `time.monotonic`.
    """

    model: str = "auto"
    missing: str = "model"
    validation: float = 0.1
    holdout: float = 0.1
    split: str = "random"
    max_epochs: int | None = None
    max_time: float | None = None
    nodes: int = 1
    seed: int = 0
    progress: bool = False
    checkpoint: Path | None = None
    began: float = dataclasses.field(default_factory=time.monotonic)

    def seconds_left(self) -> float | None:
        """Return the seconds until learning must end; None: it need not."""
        if self.max_time is None:
            return None
        return max(self.began + _LEARNING * self.max_time - time.monotonic(), 0.0)

    def anew(self, max_time: float | None) -> "Settings":
        """Return the choices of a fit that begins now and leaves no checkpoint."""
        return dataclasses.replace(self, checkpoint=None, max_time=max_time, began=time.monotonic())


@dataclasses.dataclass(frozen=True)
class Task:
    """Hold rows of positive weight, their columns, those that are given, and the choices.

    `measured` are the places of columns that have errors, whose sizes are the rows' context.
    """

    rows: TableRows
    schema: Schema
    given: Schema | None
    settings: Settings
    measured: tuple[int, ...] = ()

    @property
    def marginalizes(self) -> bool:
        """Tell whether the law is that of whole rows, learned from rows that may lack cells."""
        return self.settings.missing == "marginalize"

    @property
    def arrangement(self) -> Arrangement:
        """Return what must not be torn apart when the rows are split."""
        return Arrangement(self.rows.units, self.settings.split == "ordered")
