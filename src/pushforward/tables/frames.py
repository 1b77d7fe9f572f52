"""Any table in memory in, the same kind out: pandas, polars, Arrow, numpy."""

import dataclasses
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
from jaxtyping import Float

from pushforward.core.errors import DataError
from pushforward.tables.schema import Schema

_MAX_DECIMALS = 6

_MAX_WHOLE = 2**53


@dataclasses.dataclass(frozen=True)
class Frame:
    """Hold a table's numbers, its names and its library's name (none for a plain array)."""

    values: Float[np.ndarray, "n columns"]
    names: tuple[str, ...] | None
    backend: Any


def from_frame(table: Any) -> Frame:
    """Read a frame or array as float64; refuse text, missing values and infinities by place.

    Raises
    ------
    DataError : names repeat, a column is not numeric, or a cell is missing or infinite.
    """
    try:
        frame = nw.from_native(table, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError("column names that repeat", "a name of its own per column") from error
    if isinstance(frame, nw.DataFrame):
        names = tuple(str(name) for name in frame.columns)
        columns = [_column(series, str(series.name)) for series in frame.iter_columns()]
        values = np.stack(columns, 1) if columns else np.empty((len(frame), 0))
    else:
        names, values = None, _array(table)
    if values.shape[1] == 0:
        raise DataError(
            f"a table without columns: 0 feature(s) (shape={values.shape}) while a minimum of 1 "
            "is required.",
            "at least one numeric column",
        )
    _check_cells(values, names)
    backend = nw.get_native_namespace(table).__name__ if names else None
    return Frame(values, names, backend)


def to_frame(values: Float[np.ndarray, "n columns"], schema: Schema, backend: Any) -> Any:
    """Return rows as a frame of that library (or a plain array); whole numbers as integers."""
    if backend is None:
        return values
    data = {
        column.name: _as_integers(values[:, i]) if column.kind == "integer" else values[:, i]
        for i, column in enumerate(schema.columns)
    }
    return nw.from_dict(data, backend=backend).to_native()


def matrix_to_frame(values: np.ndarray, names: tuple[str, ...], table: Any, backend: Any) -> Any:
    """Return a matrix under new column names as the kind of table that `table` is."""
    if backend is None:
        return values
    data = {name: values[:, i] for i, name in enumerate(names)}
    native = nw.from_dict(data, backend=backend).to_native()
    index = nw.maybe_get_index(nw.from_native(table, eager_only=True))
    if index is not None:  # pandas: rows keep their names
        native.index = index
    return native


def _as_integers(column: np.ndarray) -> np.ndarray:
    whole = np.isfinite(column).all() and np.abs(column).max(initial=0) < 2**62
    return column.astype(np.int64) if whole else column


def _column(series: nw.Series, name: str) -> np.ndarray:
    if not (series.dtype.is_numeric() or series.dtype == nw.Boolean):
        row, value = _first_text(series.to_list())
        raise DataError(
            f"column {name!r} holds {series.dtype} (row {row}: {value!r})",
            "numbers",
            "drop the column (--drop) or turn it into numbers first",
        )
    missing = series.is_null()
    if missing.any():
        row = int(np.argmax(missing.to_numpy()))
        raise DataError(
            f"column {name!r}, row {row}: a missing value ({missing.sum()} in the column)",
            "no missing values",
            "drop or fill these rows first",
        )
    values = series.to_numpy()
    _check_whole(values, f"column {name!r}")
    return exact_decimals(values) if values.dtype == np.float32 else values.astype(np.float64)


def _array(table: Any) -> np.ndarray:
    if scipy.sparse.issparse(table):
        raise DataError("a sparse matrix", "a dense array", "call .toarray() if it fits in memory")
    array = np.asarray(table)
    if array.dtype.kind in "mM":
        raise DataError(f"an array of {array.dtype}", "numbers", "turn times into numbers first")
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: a complex array", "real numbers")
    if array.ndim == 1:
        raise DataError(
            f"a 1D array of shape {array.shape}",
            "rows: shape (n, columns)",
            "Reshape your data: array.reshape(-1, 1) for one column, (1, -1) for one row",
        )
    if array.ndim != 2:
        raise DataError(f"an array of shape {array.shape}", "rows: shape (n, columns)")
    try:
        if array.dtype == np.float32:
            return exact_decimals(array)
        wide = array.astype(np.float64)
    except ValueError as error:
        texts = ((j, *_first_text(array[:, j].tolist())) for j in range(array.shape[1]))
        column, row, value = min(texts, key=lambda found: _is_number(found[2]))
        place = f"column {column}, row {row}: {value!r}"
        raise DataError(f"an array of {array.dtype}: {place} ({error})", "numbers") from error
    for j in range(array.shape[1]):
        _check_whole(array[:, j], f"column {j}")
    return wide


def _first_text(values: list[Any]) -> tuple[int, Any]:
    """Return the place and value of the first cell that no number can be read from."""
    for row, value in enumerate(values):
        if not _is_number(value):
            return row, value
    return 0, values[0] if values else None


def _check_whole(values: np.ndarray, place: str) -> None:
    """Raise if whole numbers are so large that float64 would merge neighbours."""
    if values.dtype.kind not in "iu":
        return
    large = (values > _MAX_WHOLE) | (values < -_MAX_WHOLE)
    if large.any():
        row = int(np.argmax(large))
        raise DataError(
            f"{place}, row {row}: {values[row]}, a whole number beyond 2^53",
            "whole numbers that float64 tells apart",
            "drop the column if it is a key, or subtract an offset first",
        )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def exact_decimals(values: np.ndarray) -> np.ndarray:
    """Return float32 values as float64: each the shortest decimal that it may have been.

    Decided for each value by itself (up to six decimals), so that no row changes another; moved
    by half a rounding of float32 at most.
    """
    wide = values.astype(np.float64)
    for decimals in reversed(range(_MAX_DECIMALS + 1)):
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.round(values.astype(np.float64), decimals)
            wide = np.where(rounded.astype(np.float32) == values, rounded, wide)
    return wide


def _check_cells(values: np.ndarray, names: tuple[str, ...] | None) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        name = repr(names[column]) if names else str(column)
        kind = "NaN, a missing value" if np.isnan(values[row, column]) else "inf, infinity"
        raise DataError(
            f"column {name}, row {row}: {kind} ({bad.sum()} such cells)",
            "finite numbers",
            "drop or fill these rows first",
        )
