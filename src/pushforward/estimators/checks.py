"""What every estimator does with its arguments."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from pushforward.core.errors import DataError, OptionError, SchemaMismatchError
from pushforward.tables.frames import Frame, from_frame
from pushforward.tables.schema import Schema


def checked_weights(weights: Any, n: int) -> np.ndarray:
    """Return one finite, non-negative weight per row, not all zero; ones where none is given."""
    if weights is None:
        return np.ones(n)
    weights = np.asarray(weights, np.float64)
    if weights.ndim == 0:
        weights = np.full(n, float(weights))
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"weights of shape {weights.shape}", f"{n} finite numbers, none negative")
    if not math.fsum(weights) > 0:
        raise DataError("weights that are all zero", "at least one positive weight")
    return weights


def units_of(groups: Any, n: int) -> np.ndarray | None:
    """Return a number per group for each of n rows, or none where there are no groups."""
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise DataError(f"groups of shape {labels.shape}", f"one label for each of {n} rows")
    return np.unique(labels.astype(str), return_inverse=True)[1]


def check_missing(
    missing: str,
    values: np.ndarray,
    names: tuple[str, ...],
    allowed: tuple[str, ...] = ("model", "reject"),
) -> None:
    """Raise unless `missing` is an option, and allows the cells that are missing."""
    if missing not in allowed:
        raise OptionError(f"missing={missing!r}", f"one of {', '.join(allowed)}")
    if missing == "reject":
        refuse_missing(values, names, "as missing='reject' says", "missing='model', or ")


def refuse_missing(values: np.ndarray, names: tuple[str, ...], why: str, fix: str = "") -> None:
    """Raise if a cell is missing, named by column and row."""
    lost = np.isnan(values)
    if lost.any():
        row, column = (int(i) for i in np.argwhere(lost)[0])
        raise DataError(
            f"column {names[column]!r}, row {row}: NaN, a missing value ({lost.sum()} such cells)",
            f"no missing values, {why}",
            f"{fix}drop or fill these rows first",
        )


def matching_frame(
    table: Any, schema: Schema, named: bool, who: str, errors: Mapping[str, str] | None = None
) -> tuple[Frame, np.ndarray | None]:
    """Read a table that must have the schema's columns: by name where the fit saw names.

    Returns also the sizes of its `errors` (column → column of errors), if any.

    Raises
    ------
    SchemaMismatchError : other columns, or another order.
    """
    frame, sizes = without_errors(from_frame(table, schema), errors or {})
    n_columns = frame.values.shape[1]
    if frame.names is None and n_columns != len(schema.columns):
        raise SchemaMismatchError(
            f"X has {n_columns} features, but {who} is expecting {len(schema.columns)} features "
            "as input",
            f"the columns {', '.join(schema.names)}",
        )
    schema.check_names(frame.names if named else None, n_columns)
    return frame, sizes


def without_errors(frame: Frame, errors: Mapping[str, str]) -> tuple[Frame, np.ndarray | None]:
    """Return a table without its columns of errors, and the errors, or none.

    A value that is missing has no error.

    Raises
    ------
    SchemaMismatchError : there is no such column.
    DataError : an error is missing or negative.
    """
    if not errors:
        return frame, None
    names = frame.names or ()
    lost = [name for name in errors.values() if name not in names]
    if lost:
        among = f"columns of a table: {', '.join(names)}" if names else "a table with column names"
        raise SchemaMismatchError(f"no columns of errors {lost}", among)
    found = []
    for name, column in errors.items():
        sizes = frame.values[:, names.index(column)]
        if name in names:
            sizes = np.where(np.isnan(frame.values[:, names.index(name)]), 0.0, sizes)
        wrong = ~(np.isfinite(sizes) & (sizes >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"column {column!r}, row {row}: {sizes[row]}, an error",
                "standard deviations: finite numbers, none negative; 0 where there is no error",
            )
        found.append(sizes)
    return without_columns(frame, errors.values()), np.stack(found, 1)


def without_columns(frame: Frame, names: Collection[str]) -> Frame:
    """Return a table without some columns, if it has them."""
    own = frame.names or ()
    if not set(names) & set(own):
        return frame
    kept = [i for i, name in enumerate(own) if name not in names]
    return Frame(
        frame.values[:, kept],
        tuple(own[i] for i in kept),
        frame.backend,
        tuple(frame.sources[i] for i in kept),
    )


def given_cells(frame: Frame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of all columns from a table of some, and which cells it says nothing of.

    Raises
    ------
    SchemaMismatchError : the table has no names, or one that is not among the columns.
    """
    if frame.names is None:
        raise SchemaMismatchError(
            "given cells in an array without names", f"a table with some of {schema.names}"
        )
    strange = [name for name in frame.names if name not in schema.names]
    if strange:
        raise SchemaMismatchError(f"columns {strange}", f"some of {', '.join(schema.names)}")
    values = np.full((len(frame.values), len(schema.columns)), np.nan)
    unknown = np.ones(values.shape, bool)
    for j, name in enumerate(frame.names):
        place = schema.names.index(name)
        values[:, place], unknown[:, place] = frame.values[:, j], False
    known = Schema(tuple(c for c in schema.columns if c.name in frame.names))
    known.check_cells(values[:, [schema.names.index(name) for name in known.names]])
    return values, unknown


def seed_of(random_state: Any) -> int:
    """Return a seed: the integer itself, or one drawn from a generator."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))
