"""What a table's columns are: kind, resolution, bounds, and the scale they are learned on."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, OptionError, SchemaMismatchError

VALUED = ("continuous", "integer", "rounded")
"""Kinds whose values have a density; the others have probabilities or never change."""

KINDS = (*VALUED, "categorical", "ordinal", "boolean", "constant")

_LISTS = ("categories", "atoms")
"""Entries of a column that are lists in JSON."""

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
    kind : "continuous", "integer", "rounded" (these have a density), "categorical", "ordinal",
        "boolean" (these have probabilities) or "constant".
    resolution : width of the cell that a recorded value stands for; 0 for continuous.
    low, high : declared bounds in the table's units, or none. Never learned from the data.
    centre, scale : u = (value − centre)/scale is what models see, computed in float64.
    constant : the value of a constant column; none where every cell is missing.
    categories : of a categorical column; its values are places in this list, −1 any other.
    atoms : single values with a probability of their own among those with a density (zeros,
        caps, sentinels); of an ordinal or boolean column all its values.
    missing : whether cells may be missing, NaN.
    dtype : type of the column in the table's library, in its words.
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
    categories: tuple[str, ...] = ()
    atoms: tuple[float, ...] = ()
    missing: bool = False
    dtype: str = ""
    reason: str = ""
    transform: str = ""

    def __post_init__(self) -> None:
        bounds = not any(math.isnan(edge) for edge in (self.low or 0.0, self.high or 0.0)) and (
            self.low is None or self.high is None or self.low < self.high
        )
        gridded = self.kind in ("integer", "rounded")
        listed = {"categorical": self.categories, "ordinal": self.atoms, "boolean": self.atoms}
        if (
            self.kind not in KINDS
            or not listed.get(self.kind, True)
            or not bounds
            or not (self.resolution > 0 if gridded else self.resolution == 0)
            or not self.scale > 0
        ):
            raise OptionError(
                f"column {self.name!r}: {self}",
                f"a kind of {', '.join(KINDS)}, low < high, scale > 0, a resolution > 0 "
                "where the kind is integer or rounded, 0 elsewhere, and the values of a "
                "categorical, ordinal or boolean column",
            )

    @property
    def is_valued(self) -> bool:
        """Tell whether the column's values have a density."""
        return self.kind in VALUED

    @property
    def states(self) -> tuple[str, ...]:
        """Return what a cell can be, in words: the code of a cell is a place in this list."""
        first = ("a value",) if self.is_valued else ()
        atoms = tuple(f"{atom:g}" for atom in self.atoms)
        return (*first, *atoms, *self.categories, *(("missing",) if self.missing else ()))

    def codes(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        """Return each cell's code; −1 for what cannot be: another category, level, or missing."""
        known = -np.ones(len(values)) if not self.is_valued else np.zeros(len(values))
        if self.categories:
            inside = (values >= 0) & (values < len(self.categories))
            known = np.where(inside, values, -1.0)
        for i, atom in enumerate(self.atoms):
            known[values == atom] = i + self.is_valued
        missing = len(self.states) - 1 if self.missing else -1
        return np.where(np.isnan(values), missing, known)

    def shown(self, value: float) -> float | str | None:
        """Return a cell as people read it: a number, a text, or none where it is missing."""
        if np.isnan(value):
            return None
        if not self.categories:
            return float(value)
        known = 0 <= value < len(self.categories)
        return self.categories[int(value)] if known else "another text"

    def cells_of(self, codes: np.ndarray) -> Float[np.ndarray, " n"]:
        """Return the cells of codes; NaN also where a code says that there is a value."""
        places = np.arange(len(self.categories), dtype=float)
        first = [np.nan] if self.is_valued else []
        last = [np.nan] if self.missing else []
        return np.concatenate([first, self.atoms, places, last])[codes.astype(int)]

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
    def coded(self) -> tuple[int, ...]:
        """Positions of the columns whose cells can be one of several things."""
        return tuple(i for i in self.modelled if len(self.columns[i].states) > 1)

    @property
    def valued(self) -> tuple[int, ...]:
        """Positions of the columns whose values have a density."""
        return tuple(i for i, c in enumerate(self.columns) if c.is_valued)

    @property
    def dim(self) -> int:
        """Size of an event: a code for each coded column, then a value for each valued one."""
        return len(self.coded) + len(self.valued)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of states of each coded column."""
        return tuple(len(self.columns[i].states) for i in self.coded)

    @property
    def presence(self) -> tuple[int, ...]:
        """Per valued column the place of its code, or −1 where it has none."""
        return tuple(self.coded.index(i) if i in self.coded else -1 for i in self.valued)

    @property
    def is_partial(self) -> bool:
        """Tell whether a row may lack values."""
        return max(self.presence, default=-1) >= 0

    @property
    def is_discretized(self) -> bool:
        return any(column.resolution > 0 for column in self.columns)

    def log_scale(self, u: Float[np.ndarray, "n v"]) -> Float[np.ndarray, " n"]:
        """Return Σ log scale over a row's values: what log p loses on the way to their units."""
        each = np.log([self.columns[i].scale for i in self.valued])
        return np.where(np.isnan(u), 0.0, each).sum(1)

    def cells(self) -> Float[np.ndarray, " v"]:
        """Return the cell width of each valued column in standardized units."""
        return np.array([self.columns[i].resolution / self.columns[i].scale for i in self.valued])

    def edges(self) -> Float[np.ndarray, "v 2"]:
        """Return the ends of each valued column in standardized units."""
        return np.array([self.columns[i].edges for i in self.valued]).reshape(-1, 2)

    def codes(self, values: Values) -> Float[np.ndarray, "n c"]:
        """Return the codes of the coded columns' cells; −1 for what cannot be."""
        found = [self.columns[i].codes(values[:, i]) for i in self.coded]
        return np.stack(found, 1) if found else np.empty((len(values), 0))

    def standardize(self, values: Values) -> Float[np.ndarray, "n v"]:
        """Return (value − centre)/scale of the valued columns, in float64; NaN where none is."""
        centre, scale = self._centre_scale()
        with np.errstate(over="ignore"):
            u = (values[:, list(self.valued)] - centre) / scale
        for j, i in enumerate(self.valued):
            u[np.isin(values[:, i], self.columns[i].atoms), j] = np.nan
        return np.clip(u, -MAX_STANDARDIZED, MAX_STANDARDIZED)

    def restore(
        self, u: Float[np.ndarray, "n v"], codes: Float[np.ndarray, "n c"] | None = None
    ) -> Values:
        """Return full rows in the table's units: grids rounded, codes and constants put back."""
        centre, scale = self._centre_scale()
        values = np.empty((len(u), len(self.columns)))
        values[:, list(self.valued)] = centre + scale * u
        for i, column in enumerate(self.columns):
            if column.kind == "constant":
                values[:, i] = np.nan if column.constant is None else column.constant
            elif column.resolution:
                low = -np.inf if column.low is None else column.low / column.resolution
                high = np.inf if column.high is None else column.high / column.resolution
                steps = np.round(values[:, i] / column.resolution)
                steps = np.clip(steps, np.ceil(low - _ON_GRID), np.floor(high + _ON_GRID))
                values[:, i] = _as_decimals(steps * column.resolution, column.resolution) + 0.0
        for k, i in enumerate(self.coded):
            if codes is None:
                continue
            column = self.columns[i]
            keeps = (codes[:, k] == 0) if column.is_valued else np.zeros(len(u), bool)
            values[:, i] = np.where(keeps, values[:, i], column.cells_of(codes[:, k]))
        return values

    def rescaled(self, centre: np.ndarray, scale: np.ndarray) -> "Schema":
        """Return the schema with other centres and scales, given in standardized units.

        One of each per valued column; a scale of zero leaves the column's scale.
        """
        columns = list(self.columns)
        for i, m, s in zip(self.valued, centre, scale, strict=True):
            old = columns[i]
            columns[i] = dataclasses.replace(
                old, centre=old.centre + old.scale * float(m), scale=old.scale * (float(s) or 1.0)
            )
        return Schema(tuple(columns))

    def annotated(self, notes: tuple[str, ...]) -> "Schema":
        """Return the schema with what each valued column goes through, in words."""
        columns = list(self.columns)
        for i, note in zip(self.valued, notes, strict=True):
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

    def check_cells(self, values: Values, *, unknown: bool = False) -> None:
        """Raise if a cell is missing that cannot be, or a value lies off its column's grid.

        Missing cells pass where they stand for what is `unknown`.
        """
        for i, column in enumerate(self.columns):
            missing = np.isnan(values[:, i])
            if missing.any() and not column.missing and not unknown:
                row = int(np.argmax(missing))
                raise DataError(
                    f"column {column.name!r}, row {row}: NaN, a missing value "
                    f"({missing.sum()} in the column)",
                    "no missing values here: there were none in the table the model was fitted on",
                    "drop or fill these rows first, or fit again on a table with missing values",
                )
            if not column.resolution:
                continue
            own = missing | np.isin(values[:, i], column.atoms)
            off = ~own & ~on_grid(np.where(own, 0.0, values[:, i]), column.resolution)
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
        return cls(
            tuple(
                Column(**{**column, **{k: tuple(column[k]) for k in _LISTS if k in column}})
                for column in data["columns"]
            )
        )

    def _centre_scale(self) -> tuple[np.ndarray, np.ndarray]:
        columns = [self.columns[i] for i in self.valued]
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
