"""Which rows learn, which choose and which only report."""

import dataclasses

import numpy as np

from pushforward.core.errors import OptionError

MIN_HOLDOUT = 50
"""Fewer hold-out rows than this calibrate nothing finer than 2 %: cross-fit instead."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Hold row numbers: train learns, validation chooses, hold-out is for reporting only."""

    train: np.ndarray
    validation: np.ndarray
    holdout: np.ndarray


def split_rows(n: int, validation: float, holdout: float, rng: np.random.Generator) -> Split:
    """Split n rows at random by shares; small tables keep no hold-out (`MIN_HOLDOUT`).

    Raises
    ------
    OptionError : a share is outside [0, 1), or nothing would be left to learn from.
    """
    for name, share in (("validation", validation), ("holdout", holdout)):
        if not 0 <= share < 1:
            raise OptionError(f"{name}={share}", "a share in [0, 1)")
    if validation + holdout >= 1:
        raise OptionError(f"validation={validation} and holdout={holdout}", "a sum below 1")
    order = rng.permutation(n)
    n_holdout = round(n * holdout)
    if n_holdout < MIN_HOLDOUT:
        n_holdout = 0
    n_validation = min(round(n * validation), n - n_holdout - 1)
    first, second = n_holdout, n_holdout + n_validation
    return Split(
        train=np.sort(order[second:]),
        validation=np.sort(order[first:second]),
        holdout=np.sort(order[:first]),
    )


def rotations(
    rows: np.ndarray, k: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each of k parts of the rows in turn: the others (all of one size), and the part.

    Parts are drawn at random and differ by one row at most; where they do, the larger sets of
    others leave one out, so that every fit has the same shape.
    """
    n = len(rows)
    parts = [np.sort(part) for part in np.array_split(rng.permutation(n), min(k, n))]
    size = n - max(map(len, parts))
    return [(rows[np.setdiff1d(np.arange(n), part)[:size]], rows[part]) for part in parts]
