"""Columns on a circle: times of day and angles, cut open where their values are fewest."""

import dataclasses
import re

import numpy as np
from jaxtyping import Float

from pushforward.tables.column import Column
from pushforward.tables.schema import is_grid, on_grid
from pushforward.tables.times import DAY

_MINUTE = 60.0
"""Seconds."""

_ANGLE = re.compile(
    r"(?i)(^|[^a-z])(angle|azimuth|bearing|dir|direction|heading|longitude)s?([^a-z]|$)"
)
"""Names of columns that may hold angles."""

_REACHED = 0.02
"""Share of the circle within which an angle's values come to either of its ends."""

_ARCS = 72
"""Parts of a circle, of which it is cut in the emptiest."""

Cells = Float[np.ndarray, " n"]


def time_on_circle(column: Column, seconds: Cells) -> Column:
    """Return a column of seconds since midnight as one on the day's circle; in minutes if it is."""
    told = "seconds since midnight, on a circle"
    if column.resolution == 1 and is_grid(seconds, _MINUTE):
        column = dataclasses.replace(column, kind="rounded", resolution=_MINUTE)
        told = f"{told}, in whole minutes"
    return on_circle(column, seconds, (0.0, DAY), told)


def angle_on_circle(column: Column, v: Cells) -> Column:
    """Return a column as one on a circle if its name says an angle and its range is a circle's."""
    arc = _arc(v) if _ANGLE.search(column.name) else None
    told = "an angle by its name and range, on a circle"
    return column if arc is None else on_circle(column, v, arc, told)


def _arc(v: Cells) -> tuple[float, float] | None:
    """Return the circle's first value and period that values fill from end to end, if any."""
    for period in (360.0, 2 * np.pi):
        for start in (0.0, -period / 2):
            below, above = v.min() - start, start + period - v.max()
            if 0 <= below < _REACHED * period and 0 <= above < _REACHED * period:
                return start, period
    return None


def on_circle(column: Column, v: Cells, circle: tuple[float, float], told: str) -> Column:
    """Return a column whose values lie on a circle, cut where they are fewest.

    A grid that does not fit the circle (degrees in steps of 7) is none.
    """
    start, period = circle
    kind, resolution = column.kind, column.resolution
    if resolution and not on_grid(np.array([period, start]), resolution).all():
        kind, resolution = "continuous", 0.0
    share = np.mod(v[~np.isin(v, column.atoms)] - start, period) / period
    counts = np.bincount(np.minimum((share * _ARCS).astype(int), _ARCS - 1), minlength=_ARCS)
    nearby = counts + np.roll(counts, 1) + np.roll(counts, -1)
    middles = (np.arange(_ARCS) + 0.5) / _ARCS
    toward = np.exp(2j * np.pi * middles) * np.exp(-2j * np.pi * share).mean()
    arc = int(np.lexsort((toward.real, nearby))[0])  # of equals, the one opposite
    inside = np.sort(share[(share >= arc / _ARCS) & (share < (arc + 1) / _ARCS)])
    ends = np.concatenate([[arc / _ARCS], inside, [(arc + 1) / _ARCS]])
    gap = int(np.argmax(np.diff(ends)))  # no value lies where a continuous law has its ends
    cut = start + period * (ends[gap] + ends[gap + 1]) / 2
    cut = start + np.ceil((cut - start) / resolution) * resolution if resolution else cut
    return dataclasses.replace(
        column,
        kind=kind,
        resolution=resolution,
        low=float(cut),
        high=float(cut + period - resolution),
        circle=(float(start), float(period)),
        reason=f"{told}, cut at {cut:g}: {column.reason}",
    )
