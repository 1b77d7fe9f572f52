"""Which rows learn, which choose and which only report."""

import dataclasses

import numpy as np

from pushforward.core.errors import DataError, OptionError

MIN_HOLDOUT = 50
"""Fewer hold-out rows than this calibrate nothing finer than 2 %: cross-fit instead."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Hold row numbers: train learns, validation chooses, hold-out is for reporting only."""

    train: np.ndarray
    validation: np.ndarray
    holdout: np.ndarray


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """Say what must not be torn apart when rows are cut into parts.

    Parameters
    ----------
    units : per row a number; rows that share it stay together. None: each row for itself.
    ordered : rows are in order of time, and parts are stretches of it, the last ones first;
        at random otherwise.
    """

    units: np.ndarray | None = None
    ordered: bool = False

    def arranged(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the rows in the order in which parts are cut off."""
        if self.units is None:
            return np.sort(rows)[::-1] if self.ordered else rng.permutation(rows)
        _, place = np.unique(self.units[rows], return_inverse=True)
        last = np.zeros(place.max(initial=-1) + 1)
        np.maximum.at(last, place, rows)
        rank = -last if self.ordered else rng.permutation(len(last))
        return rows[np.argsort(rank[place], kind="stable")]

    def cut(self, arranged: np.ndarray, n: int) -> int:
        """Return the first place from the n-th on where a unit ends."""
        if self.units is not None and n > 0:
            units = self.units[arranged]
            while n < len(units) and units[n] == units[n - 1]:
                n += 1
        return n


def split_rows(
    n: int,
    validation: float,
    holdout: float,
    rng: np.random.Generator,
    arrangement: Arrangement | None = None,
) -> Split:
    """Split n rows by shares, at random if not arranged otherwise; see `MIN_HOLDOUT`.

    Raises
    ------
    OptionError : a share is outside [0, 1), or nothing would be left to learn from.
    DataError : the groups are so large that nothing is left to learn from.
    """
    for name, share in (("validation", validation), ("holdout", holdout)):
        if not 0 <= share < 1:
            raise OptionError(f"{name}={share}", "a share in [0, 1)")
    if validation + holdout >= 1:
        raise OptionError(f"validation={validation} and holdout={holdout}", "a sum below 1")
    arrangement = arrangement or Arrangement()
    order = arrangement.arranged(np.arange(n), rng)
    n_holdout = round(n * holdout)
    if n_holdout < MIN_HOLDOUT:
        n_holdout = 0
    n_validation = min(round(n * validation), n - n_holdout - 1)
    first = arrangement.cut(order, n_holdout)
    second = arrangement.cut(order, max(first, n_holdout + n_validation))
    if second == n:
        raise DataError(
            "groups so large that validation and hold-out rows take all",
            "several groups, none of which holds most of the rows",
        )
    return Split(
        train=np.sort(order[second:]),
        validation=np.sort(order[first:second]),
        holdout=np.sort(order[:first]),
    )


def rotations(
    rows: np.ndarray,
    k: int,
    rng: np.random.Generator,
    arrangement: Arrangement | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each of k parts of the rows in turn: the others (all of one size), and the part.

    Parts are at random if not arranged otherwise. Where their sizes differ, the larger sets of
    others leave rows out, so that every fit has the same shape.
    """
    arrangement = arrangement or Arrangement()
    n, order = len(rows), arrangement.arranged(rows, rng)
    ends = [arrangement.cut(order, round(n * i / k)) for i in range(k + 1)]
    parts = [order[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True) if b > a]
    if len(parts) < 2:
        raise DataError(f"{n} rows in one group", "at least two groups")
    size = n - max(map(len, parts))
    return [(np.setdiff1d(rows, part)[:size], np.sort(part)) for part in parts]
