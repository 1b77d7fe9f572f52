"""Dates and times of day as numbers and back; a date as its week, weekday and time of day."""

import datetime
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from jaxtyping import Float

from pushforward.core.errors import DataError
from pushforward.tables.sources import Source
from pushforward.tables.texts import is_missing

DAY = 86_400.0
"""Seconds."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MONDAY = 3
"""Days by which 1970-01-01, a Thursday, comes after a Monday."""

_DIGITS = 6
"""Decimals of a second: libraries tell microseconds."""

Seconds = Float[np.ndarray, " n"]


def days_or_seconds(series: nw.Series) -> Float[np.ndarray, " n"]:
    """Return days (dates) or seconds since 1970, by the clock there; NaN where one is missing."""
    is_date = series.dtype == nw.Date
    local = series if is_date else series.dt.replace_time_zone(None)
    cells = local.to_arrow().cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    missing = np.asarray(cells.is_null())
    steps = np.asarray(cells.fill_null(0), np.float64)
    return np.where(missing, np.nan, steps / (DAY * 1e6 if is_date else 1e6))


def days_or_seconds_of(cells: Sequence[Any]) -> tuple[Float[np.ndarray, " n"], str]:
    """Return Python's dates as days, its datetimes as seconds since 1970, and which they are."""
    there = [cell for cell in cells if not is_missing(cell)]
    is_date = not any(isinstance(cell, datetime.datetime) for cell in there)
    unit = "D" if is_date else "us"
    per = 1.0 if is_date else 1e6

    def number(cell: Any) -> float:
        if isinstance(cell, datetime.datetime):
            cell = cell.replace(tzinfo=None)
        return float(np.datetime64(cell, unit).astype(np.int64)) / per

    values = [np.nan if is_missing(cell) else number(cell) for cell in cells]
    return np.array(values, float), "Date" if is_date else "Datetime"


def as_fitted(
    values: Float[np.ndarray, " n"], dtype: str, known: str, name: str
) -> Float[np.ndarray, " n"]:
    """Return dates in the unit that the fitted table's had.

    Raises
    ------
    DataError : dates were fitted, and these have a time of day.
    """
    if dtype == known or not known.startswith("Date"):
        return values
    if known == "Datetime":
        return values * DAY
    late = np.mod(values, DAY) > 0
    if late.any():
        raise DataError(
            f"column {name!r}, row {int(np.argmax(late))}: a time of day ({late.sum()} such rows)",
            "dates, as in the table the model was fitted on",
        )
    return values / DAY


def since_midnight(cells: Sequence[Any]) -> Seconds:
    """Return times of day as seconds since midnight."""
    seconds = [
        np.nan
        if is_missing(cell)
        else 3600.0 * cell.hour + 60 * cell.minute + cell.second + cell.microsecond / 1e6
        for cell in cells
    ]
    return np.array(seconds, float)


def time_of_day(seconds: float) -> datetime.time:
    """Return what `since_midnight` read, to the microsecond."""
    steps = round(seconds * 1e6) % round(DAY * 1e6)
    minutes, rest = divmod(steps, 60_000_000)
    return datetime.time(minutes // 60, minutes % 60, rest // 1_000_000, rest % 1_000_000)


def parts_of(
    name: str, values: Float[np.ndarray, " n"], dtype: str
) -> tuple[Source, list[tuple[str, Float[np.ndarray, " n"], Source]]]:
    """Split a column of dates or of dates with times, days or seconds since 1970.

    date = 7 week + weekday,   time = 604800 week + 86400 weekday + seconds of the day, from
    Monday 1969-12-29. Returns what the column is then, made of its parts, and these: name,
    values, source. The way back is exact: each date has one week and one weekday.
    """
    per = 1.0 if dtype == "Date" else DAY
    days = np.floor(values / per)
    found = [
        ("week", 7 * per, np.floor((days + _MONDAY) / 7), Source("Week", part_of=name)),
        (
            "weekday",
            per,
            (days + _MONDAY) % 7,
            Source("String", categories=WEEKDAYS, part_of=name),
        ),
    ]
    if per == DAY:
        clock = np.round(values - DAY * days, _DIGITS)
        found.append(("time", 1.0, clock, Source("Time", part_of=name)))
    recipe = tuple((f"{name} ({what})", factor) for what, factor, _, _ in found)
    whole = Source(dtype, recipe=recipe, intercept=-_MONDAY * per)
    return whole, [(f"{name} ({what})", part, source) for what, _, part, source in found]
