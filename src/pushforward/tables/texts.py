"""Columns of texts as places in a list of categories."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pushforward.core.errors import DataError
from pushforward.tables.column import Column
from pushforward.tables.sources import Source

_STRAY = 0.5
"""A column of texts most of which are numbers holds stray cells, not categories."""


def categories_of(series: nw.Series, known: Column | None, name: str) -> tuple[str, ...]:
    """Return a column's categories: those known, those of its type, or its texts in order."""
    if known is not None:
        return known.categories
    dtype = series.dtype
    if isinstance(dtype, nw.Enum):
        return tuple(map(str, dtype.categories))
    if dtype == nw.Categorical and series.implementation.is_pandas():
        return tuple(map(str, series.to_native().cat.categories))
    counted = pc.call_function("value_counts", [_arrow_texts(series).drop_null()])
    counts = {cell["values"].as_py(): cell["counts"].as_py() for cell in counted}
    return tuple(sorted(counts)) if dtype == nw.Categorical else listed(counts, name)


def _arrow_texts(series: nw.Series) -> pa.Array | pa.ChunkedArray:
    return series.cast(nw.String()).to_arrow().cast(pa.large_string())


def places_of(series: nw.Series, categories: tuple[str, ...]) -> np.ndarray:
    """Return each text's place among the categories; −1 for another, NaN where there is none."""
    if series.dtype == nw.Categorical and series.implementation.is_pandas():
        own = series.to_native().cat  # its categories may be numbers
        place = {text: float(i) for i, text in enumerate(categories)}
        places = np.array([*(place.get(str(c), -1.0) for c in own.categories), np.nan])
        return places[own.codes.to_numpy()]
    texts = _arrow_texts(series)
    options = pc.SetLookupOptions(value_set=pa.array(categories, pa.large_string()))
    place = pc.call_function("index_in", [texts], options)
    found = np.asarray(pc.fill_null(place, -1), np.float64)
    return np.where(np.asarray(texts.is_null()), np.nan, found)


def listed(counts: Mapping[str, int], name: str) -> tuple[str, ...]:
    """Return the different texts in order; refuse a column of numbers with a few texts in it."""
    numbers = {text: is_number(text) for text in counts}
    total = max(sum(counts.values()), 1)
    share = sum(count for text, count in counts.items() if numbers[text]) / total
    if _STRAY < share < 1:
        first = next(text for text in counts if not numbers[text])
        raise DataError(
            f"column {name!r}: {first!r} among numbers ({1 - share:.2%} of its cells are texts)",
            "numbers, or texts, in the whole column",
            "correct these cells or leave them empty, or drop the column (--drop)",
        )
    return tuple(sorted(numbers))


def coded(
    cells: Sequence[Any], dtype: str, categories: tuple[str, ...]
) -> tuple[np.ndarray, Source]:
    """Return cells of Python objects as places among categories, and what they come from."""
    place = {text: float(i) for i, text in enumerate(categories)}
    codes = [np.nan if is_missing(cell) else place.get(str(cell), -1.0) for cell in cells]
    return np.array(codes, float), Source(dtype, categories=categories)


def is_missing(cell: Any) -> bool:
    """Tell whether a cell is None, NaN, or pandas' NA, which equals nothing and is no truth."""
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return cell is None or type(cell).__name__ == "NAType"


def is_number(value: Any) -> bool:
    """Tell whether a cell is a number, or a text that is one."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
