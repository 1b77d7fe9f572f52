"""Dates and times of day as numbers and back; a date as its week, weekday and time of day."""

import datetime
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from jaxtyping import Float

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
    """Return days (dates) or seconds since 1970; NaN where a cell is missing."""
    missing = series.is_null().to_numpy()
    times = series.to_numpy().astype("datetime64[us]").astype(np.int64)
    per = DAY * 1e6 if series.dtype == nw.Date else 1e6
    return np.where(missing, np.nan, times / per)


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
        ("week", 7 * per, np.floor((days + _MONDAY) / 7), Source(dtype="Int64", part_of=name)),
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
