"""Any table in memory in, the same kind out: pandas, polars, Arrow, numpy."""

import dataclasses
import datetime
from collections import Counter
from collections.abc import Collection
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse
from jaxtyping import Float

from pushforward.core.errors import CellTypeError, DataError
from pushforward.tables.column import Column
from pushforward.tables.precision import check_whole, exact_decimals
from pushforward.tables.schema import Schema
from pushforward.tables.sources import Source
from pushforward.tables.texts import (
    categories_of,
    coded,
    is_missing,
    is_number,
    listed,
    places_of,
)
from pushforward.tables.times import (
    as_fitted,
    days_or_seconds,
    days_or_seconds_of,
    parts_of,
    since_midnight,
    time_of_day,
)

_MAX_INTEGER = 2**62
"""Sampled whole numbers beyond this stay floating: int64 has no room."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """Hold a table as numbers: missing cells are NaN, texts are places in their column's list.

    Parameters
    ----------
    values : the cells; after the table's columns, parts of its dates.
    names : the columns' names; none for a plain array.
    backend : its library's name; none for a plain array.
    sources : what kind of column each comes from.
    """

    values: Float[np.ndarray, "n columns"]
    names: tuple[str, ...] | None
    backend: Any
    sources: tuple[Source, ...]

    @property
    def table_names(self) -> tuple[str, ...] | None:
        """Return the names of the table's own columns; none for a plain array."""
        if self.names is None:
            return None
        own = zip(self.names, self.sources, strict=True)
        return tuple(name for name, source in own if not source.part_of)


def from_frame(table: Any, schema: Schema | None = None) -> Frame:
    """Read a frame or array as float64; refuse infinities and other types by place.

    Parameters
    ----------
    table : pandas, polars or Arrow frame, or an array.
    schema : columns whose lists of texts are to be used, others are −1; and whose dates are
        split if they were. Found by name, or by place in a plain array; without, each column's
        own texts are listed in order, and dates are whole.

    Raises
    ------
    DataError : names repeat, a column is of a type without numbers or texts, a cell is infinite.
    """
    try:
        frame = nw.from_native(table, eager_only=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise DataError("column names that repeat", "a name of its own per column") from error
    if isinstance(frame, nw.DataFrame):
        names = tuple(str(name) for name in frame.columns)
        known = {} if schema is None else {column.name: column for column in schema.columns}
        found = [
            _column(series, str(series.name), known.get(str(series.name)))
            for series in frame.iter_columns()
        ]
        n = len(frame)
    else:
        names, (found, n) = None, _array(table, schema)
    values = np.stack([v for v, _ in found], 1) if found else np.empty((n, 0))
    if values.shape[1] == 0:
        raise DataError(
            f"a table without columns: 0 feature(s) (shape={values.shape}) while a minimum of 1 "
            "is required.",
            "at least one column",
        )
    _check_finite(values, names)
    backend = nw.get_native_namespace(table).__name__ if names else None
    read = Frame(values, names, backend, tuple(source for _, source in found))
    if schema is None or len(schema.table_names) == len(schema.columns):
        return read
    own = schema.table_names if names is None else names
    split = {column.part_of for column in schema.columns}
    return _with_parts(read, [j for j, name in enumerate(own[: values.shape[1]]) if name in split])


def split_dates(frame: Frame, whole: Collection[str] = ()) -> Frame:
    """Return a frame with the parts of its dates after the columns, but of those in `whole`.

    Dates of which some are missing stay whole. One that is always as many days or seconds after
    an earlier one is made of the parts of that.
    """
    names = frame.names or ()
    dates = [
        j
        for j, (name, source) in enumerate(zip(names, frame.sources, strict=False))
        if source.dtype in ("Date", "Datetime")
        and name not in whole
        and not np.isnan(frame.values[:, j]).any()
    ]
    return _with_parts(frame, dates)


def _with_parts(frame: Frame, dates: list[int]) -> Frame:
    values, names = [frame.values], list(frame.names or ())
    sources = list(frame.sources)
    for k, j in enumerate(dates):
        name = names[j] if names else ""
        dtype = sources[j].dtype
        twin = _twin(frame, dates[:k], j)
        if twin is not None:
            after = float(frame.values[0, j] - frame.values[0, twin])
            own = sources[twin]
            sources[j] = Source(dtype, recipe=own.recipe, intercept=own.intercept + after)
            continue
        sources[j], parts = parts_of(name, frame.values[:, j], dtype)
        if {part for part, _, _ in parts} & set(names):
            raise DataError(
                f"columns {name!r} and {parts[0][0]!r}, which is a name for a part of the other",
                "another name for one of them",
            )
        for part, cells, source in parts:
            names.append(part)
            values.append(cells[:, None])
            sources.append(source)
    names = tuple(names) if frame.names else None
    return Frame(np.concatenate(values, 1), names, frame.backend, tuple(sources))


def _twin(frame: Frame, earlier: list[int], j: int) -> int | None:
    """Return the first of the earlier dates from which one differs by the same in every row."""
    for i in earlier:
        same_type = frame.sources[i].dtype == frame.sources[j].dtype
        if (
            same_type
            and len(frame.values) > 1
            and np.ptp(frame.values[:, j] - frame.values[:, i]) == 0
        ):
            return i
    return None


def to_frame(values: Float[np.ndarray, "n columns"], schema: Schema, backend: Any) -> Any:
    """Return rows as a frame of that library (or a plain array), each column as it came in."""
    own = schema.columns[: len(schema.table_names)]
    if backend is None:
        if not any(column.categories for column in own):
            return values[:, : len(own)]
        columns = [_texts(values[:, i], column) for i, column in enumerate(own)]
        return np.stack([np.asarray(column, object) for column in columns], 1)
    first, *others = [_series(values[:, i], column, backend) for i, column in enumerate(own)]
    return first.to_frame().with_columns(*others).to_native()


def means_table(values: Float[np.ndarray, "n columns"], schema: Schema, backend: Any) -> Any:
    """Return columns' means as a frame of that library: floating, texts as texts."""
    columns = {column.name: _texts(values[:, i], column) for i, column in enumerate(schema.columns)}
    return nw.from_dict(columns, backend=backend).to_native()


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


def _series(values: np.ndarray, column: Column, backend: Any) -> nw.Series:
    """Return a column's cells as a series of the type they came in."""
    lost = np.isnan(values)
    if column.categories:
        dtype = nw.String()
        if column.dtype.startswith("Categorical"):
            dtype = nw.Categorical()
        elif column.dtype.startswith("Enum"):
            dtype = nw.Enum(column.categories)
        cells: Any = _texts(values, column)
    elif column.dtype.startswith("Date"):
        unit, per = ("D", 1.0) if column.dtype == "Date" else ("us", 1e6)
        steps = np.round(np.where(lost, 0.0, values) * per).astype(np.int64)
        times = np.where(lost, np.datetime64("NaT"), steps.astype(f"datetime64[{unit}]"))
        dtype = nw.Date() if unit == "D" else nw.Datetime("us")
        cells = [None if gone else time for gone, time in zip(lost, times.tolist(), strict=True)]
    elif column.dtype == "Time":
        dtype = nw.Time() if backend != "pandas" else nw.Object()
        cells = [None if gone else time_of_day(v) for gone, v in zip(lost, values, strict=True)]
    elif column.dtype == "Boolean":
        dtype = nw.Boolean()
        cells = [None if gone else v != 0 for gone, v in zip(lost, values, strict=True)]
    elif _is_whole(column) and np.abs(values[~lost]).max(initial=0) < _MAX_INTEGER:
        if not lost.any():
            return nw.new_series(column.name, values.astype(np.int64), nw.Int64(), backend=backend)
        dtype = nw.Int64()
        cells = [None if gone else int(v) for gone, v in zip(lost, values, strict=True)]
    else:
        dtype = nw.Float32() if column.dtype == "Float32" else nw.Float64()
        if not lost.any() or backend == "pandas":
            return nw.new_series(column.name, values, dtype, backend=backend)
        cells = [None if gone else v for gone, v in zip(lost, values.tolist(), strict=True)]
    if backend == "pandas":
        import pandas as pd

        types: dict[Any, Any] = {nw.Categorical(): pd.CategoricalDtype(column.categories)}
        if lost.any():
            types |= {nw.Int64(): "Int64", nw.Boolean(): "boolean"}
        if dtype in types:
            series = pd.Series(cells, name=column.name, dtype=types[dtype])
            return nw.from_native(series, series_only=True)
    return nw.new_series(column.name, cells, dtype, backend=backend)


def _is_whole(column: Column) -> bool:
    """Tell whether cells are whole numbers that came in as such."""
    if column.kind == "integer":
        return not column.dtype.startswith("Float")
    levels = np.array(column.atoms)
    whole = (levels == np.round(levels)).all() and column.resolution == round(column.resolution)
    is_listed = column.kind != "continuous" and (column.resolution > 0 or not column.recipe)
    return "Int" in column.dtype and bool(whole) and is_listed


def _texts(values: np.ndarray, column: Column) -> list[Any]:
    if not column.categories:
        return values.tolist()
    return [None if np.isnan(v) else column.categories[int(v)] for v in values]


def _column(series: nw.Series, name: str, known: Column | None) -> tuple[np.ndarray, Source]:
    """Return a series' cells as float64, and what they come from."""
    dtype = series.dtype
    if known is not None and known.categories and dtype.is_numeric():
        return coded([_as_text(cell) for cell in series.to_list()], "String", known.categories)
    if dtype == nw.String or dtype == nw.Categorical or dtype == nw.Enum:
        if known is not None and not known.categories and not series.is_null().all():
            row, cell = next((i, v) for i, v in enumerate(series.to_list()) if not is_missing(v))
            raise DataError(
                f"column {name!r}, row {row}: {cell!r}",
                f"numbers, as in the table the model was fitted on ({known.kind})",
            )
        found = categories_of(series, known, name)
        return places_of(series, found), Source(str(dtype), categories=found)
    if dtype == nw.Boolean:
        return _floats(series), Source(str(dtype), is_boolean=True)
    if dtype == nw.Date or dtype == nw.Datetime:
        return _dates(days_or_seconds(series), str(dtype).split("(")[0], known)
    if dtype == nw.Time:
        return since_midnight(series.to_list()), Source("Time")
    if dtype.is_numeric() or series.is_null().all():
        values = series.to_numpy()
        check_whole(values, f"column {name!r}")
        wide = exact_decimals(values) if values.dtype == np.float32 else _floats(series)
        return wide, Source(str(dtype))
    if dtype == nw.Object:
        return _objects(series.to_list(), name, known)
    row, value = next(((i, v) for i, v in enumerate(series.to_list()) if v is not None), (0, None))
    raise DataError(
        f"column {name!r} holds {dtype} (row {row}: {value!r})",
        "numbers, texts, true and false, dates, or times of day",
        "drop the column (--drop) or turn it into one of these first",
    )


def _as_text(number: Any) -> str | None:
    """Return a number as the text that it would be among texts."""
    if is_missing(number):
        return None
    return str(int(number)) if number == int(number) else str(number)


def _floats(series: nw.Series) -> np.ndarray:
    missing = series.is_null().to_numpy()
    values = np.asarray(series.cast(nw.Float64()).to_numpy(), np.float64)
    return np.where(missing, np.nan, values)


def _dates(values: np.ndarray, dtype: str, known: Column | None) -> tuple[np.ndarray, Source]:
    if known is None or not known.dtype.startswith("Date"):
        return values, Source(dtype)
    return as_fitted(values, dtype, known.dtype, known.name), Source(known.dtype)


def _objects(cells: list[Any], name: str, known: Column | None) -> tuple[np.ndarray, Source]:
    """Read a column of Python objects: all texts, all true or false, or all numbers."""
    there = [cell for cell in cells if not is_missing(cell)]
    if there and all(isinstance(cell, str) for cell in there):
        found = listed(Counter(there), name) if known is None else known.categories
        return coded(cells, "String", found)
    if there and all(isinstance(cell, bool | np.bool_) for cell in there):
        values = [np.nan if is_missing(cell) else float(cell) for cell in cells]
        return np.array(values), Source("Boolean", is_boolean=True)
    if there and all(isinstance(cell, datetime.date) for cell in there):
        return _dates(*days_or_seconds_of(cells), known)
    if there and all(isinstance(cell, datetime.time) for cell in there):
        return since_midnight(cells), Source("Time")
    for row, cell in enumerate(cells):
        if not is_missing(cell) and not is_number(cell):
            given = f"column {name!r}, row {row}: {cell!r} among other kinds of values"
            fix = "turn the column into one kind first, or drop it (--drop)"
            if isinstance(cell, str):
                raise DataError(given, "numbers, or texts, in the whole column", fix)
            raise CellTypeError(given, "argument must be a string or a real number", fix)
    values = np.array([np.nan if is_missing(cell) else float(cell) for cell in cells])
    return values, Source("Object")


def _array(table: Any, schema: Schema | None) -> tuple[list[tuple[np.ndarray, Source]], int]:
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
    if array.dtype.kind in "OUS":
        columns = schema.columns if schema else (None,) * array.shape[1]
        return [
            _objects(array[:, j].tolist(), str(j), columns[j] if j < len(columns) else None)
            for j in range(array.shape[1])
        ], len(array)
    if array.dtype == np.float32:
        wide = exact_decimals(array)
    else:
        for j in range(array.shape[1]):
            check_whole(array[:, j], f"column {j}")
        wide = array.astype(np.float64)
    source = Source(is_boolean=array.dtype.kind == "b")
    return [(wide[:, j], source) for j in range(array.shape[1])], len(array)


def _check_finite(values: np.ndarray, names: tuple[str, ...] | None) -> None:
    bad = np.isinf(values)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        name = repr(names[column]) if names else str(column)
        raise DataError(
            f"column {name}, row {row}: inf, infinity ({bad.sum()} such cells)",
            "finite numbers, or cells marked as missing",
            "correct these cells first",
        )
