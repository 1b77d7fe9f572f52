"""What one column of a table is: kind, resolution, bounds, what its cells can be."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import OptionError

VALUED = ("continuous", "integer", "rounded")
"""Kinds whose values have a density; the others have probabilities or never change."""

SET_ASIDE = ("constant", "dependent")
"""Kinds that are no part of the law: their cells follow from nothing, or from other columns."""

KINDS = (*VALUED, "categorical", "ordinal", "boolean", "one-hot", *SET_ASIDE)

FAR = 1e3
"""Scales between data and a bound from which on the bound bends nothing within float32's reach."""

_NEAR_CUT = 2e-6
"""Share of a circle by which values keep away from its cut: float32 tells them from it."""


@dataclasses.dataclass(frozen=True)
class Column:
    """Describe one column.

    Parameters
    ----------
    name : as in the table.
    kind : "continuous", "integer", "rounded" (these have a density), "categorical", "ordinal",
        "boolean", "one-hot" (these have probabilities), "constant" or "dependent".
    resolution : width of the cell that a recorded value stands for; 0 for continuous.
    low, high : declared bounds in the table's units, or none. Never learned from the data. Of a
        circle, where it is cut.
    circle : of a column on a circle (times of day, angles) the least value that its cells are
        recorded as, and the period; otherwise empty.
    centre, scale : u = (value − centre)/scale is what models see, computed in float64.
    constant : the value of a constant column; none where every cell is missing.
    categories : of a categorical column; its values are places in this list, −1 any other.
    atoms : single values with a probability of their own among those with a density (zeros,
        caps, sentinels); of an ordinal or boolean column all its values.
    recipe, intercept : of a dependent column: intercept + Σ coefficient × column.
    group : of a one-hot group of columns of zeros and a single one, their names: the first column
        stands for it, its code is the place of the one; the others depend on that.
    part_of : of a date's week, weekday or time of day: the column that is made of these.
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
    recipe: tuple[tuple[str, float], ...] = ()
    intercept: float = 0.0
    group: tuple[str, ...] = ()
    circle: tuple[float, ...] = ()
    part_of: str = ""
    missing: bool = False
    dtype: str = ""
    reason: str = ""
    transform: str = ""

    def __post_init__(self) -> None:
        bounds = not any(math.isnan(edge) for edge in (self.low or 0.0, self.high or 0.0)) and (
            self.low is None or self.high is None or self.low < self.high
        )
        gridded = self.kind in ("integer", "rounded")
        listed = {
            "categorical": self.categories,
            "ordinal": self.atoms,
            "boolean": self.atoms,
            "one-hot": self.group,
            "dependent": self.recipe or self.group,
        }
        if (
            self.kind not in KINDS
            or not listed.get(self.kind, True)
            or not bounds
            or not (self.resolution > 0 if gridded else self.resolution == 0 or self.recipe)
            or not self.scale > 0
        ):
            raise OptionError(
                f"column {self.name!r}: {self}",
                f"a kind of {', '.join(KINDS)}, low < high, scale > 0, a resolution > 0 "
                "where the kind is integer or rounded, 0 elsewhere, and the values of a "
                "categorical, ordinal or boolean column, the recipe or group of others",
            )

    @property
    def is_valued(self) -> bool:
        """Tell whether the column's values have a density."""
        return self.kind in VALUED

    @property
    def states(self) -> tuple[str, ...]:
        """Return what a cell can be, in words: the code of a cell is a place in this list."""
        if self.kind == "one-hot":
            return self.group
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

    def unrolled(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return a circle's values as those of the line from its cut on; others as they are."""
        if not self.circle or self.low is None:
            return values
        first, period = self.low - self.resolution / 2, self.circle[1]
        from_cut = np.mod(values - first, period)
        if not self.resolution:  # at the cut itself the law has no density
            from_cut = np.clip(from_cut, _NEAR_CUT * period, (1 - _NEAR_CUT) * period)
        return first + from_cut

    def rolled(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return `unrolled` values as they are recorded."""
        if not self.circle:
            return values
        start, period = self.circle
        return start + np.mod(values - start, period)

    @property
    def edges(self) -> tuple[float, float]:
        """Return the bounds in standardized units, moved out by half a cell of a grid.

        A bound a thousand scales away is out of the data's reach: no edge.
        """
        half = self.resolution / 2
        low = -math.inf if self.low is None else (self.low - half - self.centre) / self.scale
        high = math.inf if self.high is None else (self.high + half - self.centre) / self.scale
        return low if low > -FAR else -math.inf, high if high < FAR else math.inf
