"""Calls of the native loops over columns on the host: splines and counts, in float64."""

import ctypes
import functools

import numpy as np
from jaxtyping import Float, Int

from pushforward.native.library import is_there, loaded

_CELLS_A_BIN = 8
"""Cells that find a bin: more would leave the cache."""

_FEW = 64
"""Values below which numpy is as fast."""


class Bins:
    """Hold a spline's bins for `bend`: knots at x with images z and slopes."""

    def __init__(self, x: np.ndarray, z: np.ndarray, slopes: np.ndarray):
        width, height = np.diff(x), np.diff(z)
        columns = (x[:-1], 1 / width, z[:-1], height, height / width, slopes[:-1], slopes[1:])
        self.bins = np.ascontiguousarray(np.stack(columns, 1))
        self.cells = _CELLS_A_BIN * len(width)
        starts = np.linspace(x[0], x[-1], self.cells + 1)
        # One bin early: rounding may put a value into the cell after its own.
        found = np.searchsorted(x, starts, side="right") - 2
        self.first = np.clip(found, 0, len(width) - 1).astype(np.int32)
        self.first[-1] = len(width) - 1
        self.last, self.last_z = float(x[-1]), float(z[-1])


def serves(values: Float[np.ndarray, " n"]) -> bool:
    """Tell whether the loops are there, and worth calling."""
    return values.size >= _FEW and is_there()


def bend(bins: Bins, values: Float[np.ndarray, " n"], slopes: Float[np.ndarray, " n"]) -> None:
    """Replace values by a spline of them, and multiply slopes by its slope."""
    _library().PushforwardBend(
        _at(bins.bins),
        _at(bins.first),
        ctypes.c_int64(bins.cells),
        ctypes.c_double(bins.last),
        ctypes.c_double(bins.last_z),
        _at(values),
        _at(slopes),
        ctypes.c_int64(len(values)),
    )


def count(
    values: Float[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"] | None,
    half_width: float,
    cells: int,
    warped: bool,
) -> Int[np.ndarray, " cells"] | Float[np.ndarray, " cells"]:
    """Return how many values, or how much weight, each of equal cells of [−half, half] holds."""
    found = np.zeros(cells, np.int64 if weights is None else np.float64)
    _library().PushforwardCount(
        _at(values),
        None if weights is None else _at(weights),
        ctypes.c_int64(len(values)),
        ctypes.c_double(half_width),
        ctypes.c_int64(cells),
        ctypes.c_bool(warped),
        _at(found),
        _at(found),
    )
    return found


@functools.cache
def _library() -> ctypes.CDLL:
    library = loaded()
    if library is None:
        raise RuntimeError("native code that is not there was called")
    library.PushforwardBend.restype = library.PushforwardCount.restype = None
    return library


def _at(array: np.ndarray) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)
