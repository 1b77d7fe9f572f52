"""A table's columns together: rows as codes and standardized values, and back."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, OptionError, SchemaMismatchError
from pushforward.tables.column import SET_ASIDE, Column

_LISTS = ("categories", "atoms", "group", "circle")
"""Entries of a column that are lists in JSON."""

_KEEPS = 1e-6
"""Share of a dependent column's spread by which a cell may miss what the others make of it."""

MAX_STANDARDIZED = 1e30
"""Standardized values are clipped here: beyond, squares leave even float32's arcsinh range."""

_MAX_DECIMALS = 12
"""A resolution with more decimals than this is no decimal number (1/3): nothing to tidy."""

_ON_GRID = 1e-9
"""Steps that a multiple of the resolution may be off by, for float64's rounding."""

Values = Float[np.ndarray, "n columns"]


@dataclasses.dataclass(frozen=True)
class Schema:
    """Hold the columns of a table in order."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Return the names of the table's own columns; parts of dates come after these."""
        return tuple(column.name for column in self.columns if not column.part_of)

    @property
    def modelled(self) -> tuple[int, ...]:
        """Positions of the columns that vary."""
        return tuple(i for i, c in enumerate(self.columns) if c.kind not in SET_ASIDE)

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

    def without_atoms(self) -> "Schema":
        """Return the schema in which repeated values on a column's grid are values like others."""

        def level(column: Column) -> Column:
            atoms = np.array(column.atoms)
            recorded = column.resolution > 0 and on_grid(atoms, column.resolution).all()
            return dataclasses.replace(column, atoms=()) if recorded else column

        return dataclasses.replace(self, columns=tuple(map(level, self.columns)))

    @property
    def is_partial(self) -> bool:
        """Tell whether a row may lack values."""
        return max(self.presence, default=-1) >= 0

    @property
    def is_discretized(self) -> bool:
        return any(column.resolution > 0 for column in self.columns)

    def log_scale(self, u: Float[np.ndarray, "n v"]) -> Float[np.ndarray, " n"]:
        """Return Σ log scale over a row's values: what log p loses on the way to their units."""
        total = np.zeros(len(u))
        for i, column in zip(self.valued, u.T, strict=True):  # in one order, however many rows
            total += np.where(np.isnan(column), 0.0, np.log(self.columns[i].scale))
        return total

    def cells(self) -> Float[np.ndarray, " v"]:
        """Return the cell width of each valued column in standardized units."""
        return np.array([self.columns[i].resolution / self.columns[i].scale for i in self.valued])

    def edges(self) -> Float[np.ndarray, "v 2"]:
        """Return the ends of each valued column in standardized units."""
        return np.array([self.columns[i].edges for i in self.valued]).reshape(-1, 2)

    def codes(self, values: Values) -> Float[np.ndarray, "n c"]:
        """Return the codes of the coded columns' cells; −1 for what cannot be."""
        found = [self.codes_of(i, values) for i in self.coded]
        return np.stack(found, 1) if found else np.empty((len(values), 0))

    def codes_of(self, i: int, values: Values) -> Float[np.ndarray, " n"]:
        """Return the codes of one column's cells; of a one-hot group, the place of the one."""
        column = self.columns[i]
        if column.kind != "one-hot":
            return column.codes(values[:, i])
        flags = values[:, [self.names.index(name) for name in column.group]]
        valid = ((flags == 0) | (flags == 1)).all(1) & (flags.sum(1) == 1)
        return np.where(valid, flags.argmax(1), -1.0)

    def flags(self, codes: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n f"]:
        """Return codes as flags: one of each coded column's is one."""
        found = [
            (codes[:, k, None] == np.arange(size)).astype(float)
            for k, size in enumerate(self.sizes)
        ]
        return np.concatenate([np.empty((len(codes), 0)), *found], 1)

    def keep_rules(self, values: Values) -> np.ndarray:
        """Tell which rows have the constant columns' values, and what recipes make of others."""
        kept = np.ones(len(values), bool)
        for i, column in enumerate(self.columns):
            cells = values[:, i]
            if column.kind == "constant":
                kept &= np.isnan(cells) if column.missing else cells == column.constant
            elif column.recipe:
                made = self._made(column, values)
                slack = _KEEPS * column.scale + 16 * np.finfo(float).eps * np.abs(cells)
                kept &= np.abs(cells - made) <= slack + 0.5 * column.resolution
        return kept

    def unknown_code(self, i: int, unknown: np.ndarray) -> np.ndarray:
        """Tell in which rows a coded column's code is not known; unknown cells are marked."""
        group = self.columns[i].group
        if not group:
            return unknown[:, i]
        places = [self.names.index(name) for name in group]
        return np.asarray(unknown[:, places].any(1))

    def remade(self, values: Values, unknown: np.ndarray) -> Values:
        """Return rows with unknown dependent cells made of the others again."""
        values = values.copy()
        for i, column in enumerate(self.columns):
            if column.recipe:
                made = self._on_grid(i, self._made(column, values))
                values[:, i] = np.where(unknown[:, i], made, values[:, i])
        return values

    def solved(self, values: Values) -> Values:
        """Return rows with missing cells filled that follow from others, or never vary."""
        values = values.copy()
        for i, column in enumerate(self.columns):
            if column.kind == "constant" and column.constant is not None:
                values[np.isnan(values[:, i]), i] = column.constant
            if column.kind == "one-hot":
                places = [self.names.index(name) for name in column.group]
                flags = values[:, places]
                decided = np.isnan(flags) & ((flags == 1).any(1) & ~(flags > 1).any(1))[:, None]
                values[:, places] = np.where(decided, 0.0, flags)
            if not column.recipe:
                continue
            places = [i, *(self.names.index(name) for name, _ in column.recipe)]
            factors = np.array([-1.0, *(factor for _, factor in column.recipe)])
            lost = np.isnan(values[:, places])
            for k, place in enumerate(places):
                rows = lost[:, k] & (lost.sum(1) == 1)
                rest = np.delete(np.arange(len(places)), k)
                known = values[np.ix_(rows, np.array(places)[rest])]
                total = column.intercept + known @ factors[rest]
                values[rows, place] = self._on_grid(place, -total / factors[k])
        return values

    def _made(self, column: Column, values: Values) -> Float[np.ndarray, " n"]:
        total = np.full(len(values), column.intercept)
        for name, factor in column.recipe:
            total = total + factor * values[:, self.names.index(name)]
        return total

    def _on_grid(self, i: int, cells: np.ndarray) -> np.ndarray:
        resolution = self.columns[i].resolution
        if not resolution:
            return cells
        return _as_decimals(np.round(cells / resolution) * resolution, resolution) + 0.0

    def standardize(self, values: Values) -> Float[np.ndarray, "n v"]:
        """Return (value − centre)/scale of the valued columns, in float64; NaN where none is."""
        centre, scale = self._centre_scale()
        cells = values[:, list(self.valued)]
        for j, i in enumerate(self.valued):
            if self.columns[i].circle:
                cells[:, j] = self.columns[i].unrolled(cells[:, j])
        with np.errstate(over="ignore"):
            u = (cells - centre) / scale
        for j, i in enumerate(self.valued):
            if self.columns[i].atoms:
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
            elif column.is_valued and column.resolution:
                low = -np.inf if column.low is None else column.low / column.resolution
                high = np.inf if column.high is None else column.high / column.resolution
                steps = np.round(values[:, i] / column.resolution)
                steps = np.clip(steps, np.ceil(low - _ON_GRID), np.floor(high + _ON_GRID))
                on_line = _as_decimals(steps * column.resolution, column.resolution)
                values[:, i] = _as_decimals(column.rolled(on_line), column.resolution) + 0.0
            elif column.circle:
                values[:, i] = column.rolled(values[:, i])
        for k, i in enumerate(self.coded):
            if codes is None:
                continue
            column = self.columns[i]
            if column.kind == "one-hot":
                places = [self.names.index(name) for name in column.group]
                values[:, places] = codes[:, k, None] == np.arange(len(places))
                continue
            keeps = (codes[:, k] == 0) if column.is_valued else np.zeros(len(u), bool)
            values[:, i] = np.where(keeps, values[:, i], column.cells_of(codes[:, k]))
        for i, column in enumerate(self.columns):
            if column.recipe:
                values[:, i] = self._on_grid(i, self._made(column, values))
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
            missing = [n for n in self.table_names if n not in names]
            extra = [n for n in names if n not in self.names]
            what = f"missing {missing}, unexpected {extra}" if missing or extra else "another order"
            raise SchemaMismatchError(
                f"columns {', '.join(names)}: {what}",
                f"{', '.join(self.table_names)}, in this order",
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
            if not column.resolution or not column.is_valued:
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
                Column(
                    **{
                        **column,
                        **{k: tuple(column[k]) for k in _LISTS if k in column},
                        "recipe": tuple((name, f) for name, f in column.get("recipe", ())),
                    }
                )
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


def is_grid(v: np.ndarray, grid: float) -> bool:
    """Tell whether all values are multiples, and not all of them the same one (tiny values)."""
    return bool(on_grid(v, grid).all() and np.ptp(np.round(v / grid)) > 0)
