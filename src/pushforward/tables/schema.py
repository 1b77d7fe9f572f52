"""What a table's columns are: kind, resolution, bounds, and the scale they are learned on."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, OptionError, SchemaMismatchError

KINDS = ("continuous", "integer", "rounded", "constant")

MAX_STANDARDIZED = 1e30
"""Standardized values are clipped here: beyond, squares leave even float32's arcsinh range."""

FAR = 1e3
"""Scales between data and a bound from which on the bound bends nothing within float32's reach."""

_MAX_DECIMALS = 12
"""A resolution with more decimals than this is no decimal number (1/3): nothing to tidy."""

_ON_GRID = 1e-9
"""Steps that a multiple of the resolution may be off by, for float64's rounding."""

Values = Float[np.ndarray, "n columns"]


@dataclasses.dataclass(frozen=True)
class Column:
    """Describe one column.

    Parameters
    ----------
    name : as in the table.
    kind : "continuous", "integer", "rounded" or "constant".
    resolution : width of the cell that a recorded value stands for; 0 for continuous.
    low, high : declared bounds in the table's units, or none. Never learned from the data.
    centre, scale : u = (value − centre)/scale is what models see, computed in float64.
    constant : the value of a constant column.
    reason : why this kind.
    transform : what its values go through before the model, in words.
    """

    name: str
    kind: str
    resolution: float = 0.0
    low: float | None = None
    high: float | None = None
    centre: float = 0.0
    scale: float = 1.0
    constant: float | None = None
    reason: str = ""
    transform: str = ""

    def __post_init__(self) -> None:
        bounds = not any(math.isnan(edge) for edge in (self.low or 0.0, self.high or 0.0)) and (
            self.low is None or self.high is None or self.low < self.high
        )
        gridded = self.kind in ("integer", "rounded")
        if (
            self.kind not in KINDS
            or not bounds
            or not (self.resolution > 0 if gridded else self.resolution == 0)
            or not self.scale > 0
        ):
            raise OptionError(
                f"column {self.name!r}: {self}",
                f"a kind of {', '.join(KINDS)}, low < high, scale > 0, and a resolution > 0 "
                "where the kind is integer or rounded, 0 elsewhere",
            )

    @property
    def edges(self) -> tuple[float, float]:
        """Return the bounds in standardized units, moved out by half a cell of a grid.

        A bound a thousand scales away is out of the data's reach: no edge.
        """
        half = self.resolution / 2
        low = -math.inf if self.low is None else (self.low - half - self.centre) / self.scale
        high = math.inf if self.high is None else (self.high + half - self.centre) / self.scale
        return low if low > -FAR else -math.inf, high if high < FAR else math.inf


@dataclasses.dataclass(frozen=True)
class Schema:
    """Hold the columns of a table in order."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def modelled(self) -> tuple[int, ...]:
        """Positions of the columns that vary."""
        return tuple(i for i, c in enumerate(self.columns) if c.kind != "constant")

    @property
    def n_modelled(self) -> int:
        return len(self.modelled)

    @property
    def is_discretized(self) -> bool:
        return any(column.resolution > 0 for column in self.columns)

    @property
    def log_scale(self) -> float:
        """Σ log scale: what a log-density loses on the way to the table's units."""
        return float(np.log([self.columns[i].scale for i in self.modelled]).sum())

    def cells(self) -> Float[np.ndarray, " dim"]:
        """Return the cell width of each modelled column in standardized units."""
        return np.array([self.columns[i].resolution / self.columns[i].scale for i in self.modelled])

    def edges(self) -> Float[np.ndarray, "dim 2"]:
        """Return the ends of each modelled column in standardized units."""
        return np.array([self.columns[i].edges for i in self.modelled])

    def standardize(self, values: Values) -> Float[np.ndarray, "n dim"]:
        """Return (value − centre)/scale of the columns that vary, in float64."""
        centre, scale = self._centre_scale()
        with np.errstate(over="ignore"):
            u = (values[:, list(self.modelled)] - centre) / scale
        return np.clip(u, -MAX_STANDARDIZED, MAX_STANDARDIZED)

    def restore(self, u: Float[np.ndarray, "n dim"]) -> Values:
        """Return full rows in the table's units: grids rounded, constants put back."""
        centre, scale = self._centre_scale()
        values = np.empty((len(u), len(self.columns)))
        values[:, list(self.modelled)] = centre + scale * u
        for i, column in enumerate(self.columns):
            if column.constant is not None:
                values[:, i] = column.constant
            elif column.resolution:
                low = -np.inf if column.low is None else column.low / column.resolution
                high = np.inf if column.high is None else column.high / column.resolution
                steps = np.round(values[:, i] / column.resolution)
                steps = np.clip(steps, np.ceil(low - _ON_GRID), np.floor(high + _ON_GRID))
                values[:, i] = _as_decimals(steps * column.resolution, column.resolution) + 0.0
        return values

    def rescaled(self, centre: np.ndarray, scale: np.ndarray) -> "Schema":
        """Return the schema with other centres and scales, given in standardized units.

        One of each per column that varies; a scale of zero leaves the column's scale.
        """
        columns = list(self.columns)
        for i, m, s in zip(self.modelled, centre, scale, strict=True):
            old = columns[i]
            columns[i] = dataclasses.replace(
                old, centre=old.centre + old.scale * float(m), scale=old.scale * (float(s) or 1.0)
            )
        return Schema(tuple(columns))

    def annotated(self, notes: tuple[str, ...]) -> "Schema":
        """Return the schema with what each varying column goes through, in words."""
        columns = list(self.columns)
        for i, note in zip(self.modelled, notes, strict=True):
            columns[i] = dataclasses.replace(columns[i], transform=note)
        return Schema(tuple(columns))

    def check_names(self, names: tuple[str, ...] | None, n_columns: int) -> None:
        """Raise unless a table has these columns in this order (nameless arrays: this many)."""
        if names is None and n_columns != len(self.columns):
            raise SchemaMismatchError(
                f"{n_columns} columns", f"{len(self.columns)}: {', '.join(self.names)}"
            )
        if names is not None and names != self.names:
            missing = [n for n in self.names if n not in names]
            extra = [n for n in names if n not in self.names]
            what = f"missing {missing}, unexpected {extra}" if missing or extra else "another order"
            raise SchemaMismatchError(
                f"columns {', '.join(names)}: {what}",
                f"{', '.join(self.names)}, in this order",
                "select these columns, as in the table the model was fitted on",
            )

    def check_grid(self, values: Values) -> None:
        """Raise if a value lies off its column's grid, naming the column and the first such row."""
        for i, column in enumerate(self.columns):
            if not column.resolution:
                continue
            off = ~on_grid(values[:, i], column.resolution)
            if off.any():
                row = int(np.argmax(off))
                raise DataError(
                    f"column {column.name!r}, row {row}: {values[row, i]:.17g} is off the grid "
                    f"({off.sum()} such rows)",
                    f"multiples of {column.resolution:g}, as in the table the model was fitted on",
                    "round the column, or fit again on data with this precision",
                )

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain data."""
        return {"columns": [dataclasses.asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """Return the schema that `to_json` wrote."""
        known = {field.name for field in dataclasses.fields(Column)}
        for column in data["columns"]:
            unknown = set(column) - known
            if unknown:
                raise OptionError(f"schema entries {sorted(unknown)}", f"{sorted(known)}")
        return cls(tuple(Column(**column) for column in data["columns"]))

    def _centre_scale(self) -> tuple[np.ndarray, np.ndarray]:
        columns = [self.columns[i] for i in self.modelled]
        return np.array([c.centre for c in columns]), np.array([c.scale for c in columns])


def on_grid(values: Float[np.ndarray, " n"], resolution: float) -> np.ndarray:
    """Tell which values are multiples of the resolution, within float64's rounding."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = values / resolution
        return np.abs(steps - np.round(steps)) <= _ON_GRID + 8 * np.finfo(float).eps * np.abs(steps)


def _as_decimals(values: Float[np.ndarray, " n"], resolution: float) -> Float[np.ndarray, " n"]:
    """Drop the rounding error of multiples of a resolution with few decimals; others stay."""
    for digits in range(_MAX_DECIMALS + 1):
        if np.round(resolution, digits) == resolution:
            return np.round(values, digits)
    return values
