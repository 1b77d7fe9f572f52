"""Numbers whose type holds more, or fewer, digits than float64 tells."""

import numpy as np

from pushforward.core.errors import DataError

_MAX_DECIMALS = 6

_MAX_WHOLE = 2**53


def check_whole(values: np.ndarray, place: str) -> None:
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
