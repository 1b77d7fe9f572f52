"""What a column is, read off its values, with the reason."""

import dataclasses
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, OptionError
from pushforward.tables.schema import FAR, Column, Schema, on_grid

_GRIDS = (0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 1e-4, 1e-5, 1e-6)

_NEGLIGIBLE = 1e-6
"""A grid finer than this share of the column's spread is no grid: noise of its width is nothing."""

_MAX_STEPS = 1e12
"""Beyond this many steps from zero float64 cannot tell a grid from chance."""

_BULK = 0.99
"""Share of the values that must lie within those steps: a stray 1e30 does not hide a grid."""

Values = Float[np.ndarray, "n columns"]
Weights = Float[np.ndarray, " n"]


def infer_schema(
    values: Values,
    names: tuple[str, ...],
    weights: Weights | None = None,
    declared: Schema | Mapping[str, Mapping[str, Any]] | None = None,
) -> Schema:
    """Read each column's kind and resolution off its values, and a robust centre and scale.

    Parameters
    ----------
    values : the table, float64.
    names : its column names.
    weights : weights of the rows; one of weight zero says nothing.
    declared : a schema whose kinds, resolutions and bounds are taken as they are; or a dict
        column → {"kind", "resolution", "low", "high"} that overrides what is found.

    Raises
    ------
    DataError : names repeat, there are fewer than two rows, no column varies, or a value lies
        at or beyond a declared bound or off a declared grid.
    """
    _check_table(values, names)
    weights = np.ones(len(values)) if weights is None else weights
    counts = weights > 0  # rows that do not: each stands in as the first that does
    values = np.where(counts[:, None], values, values[np.argmax(counts)])
    if isinstance(declared, Schema):
        declared.check_names(names, len(names))
        found = declared.columns
    else:
        found = tuple(
            _override(_infer(values[:, i], weights, name), (declared or {}).get(name, {}))
            for i, name in enumerate(names)
        )
        unknown = set(declared or {}) - set(names)
        if unknown:
            raise OptionError(f"declared columns {sorted(unknown)}", f"among {', '.join(names)}")
    if all(column.kind == "constant" for column in found):
        raise DataError("a table in which no column varies", "at least one column with two values")
    columns = tuple(_scaled(c, values[:, i], weights) for i, c in enumerate(found))
    schema = Schema(columns)
    schema.check_grid(values)
    for i, column in enumerate(columns):
        _check_bounds(column, values[:, i])
    return schema


def _check_table(values: Values, names: tuple[str, ...]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"column names that repeat: {repeated}", "a name of its own per column")
    if len(values) < 2:
        raise DataError(f"{len(values)} rows (n_samples = {len(values)})", "at least two")


def _infer(v: np.ndarray, weights: Weights, name: str) -> Column:
    if (v == v[0]).all():
        return Column(name, "constant", constant=float(v[0]), reason="one value only")
    spread = _robust_scale(v, weights)
    bulk = float(_quantile(np.abs(v), weights, _BULK))
    if bulk < _MAX_STEPS and _is_grid(v, 1.0):
        if spread * _NEGLIGIBLE < 1:
            return Column(name, "integer", 1.0, reason="all values are whole numbers")
        return Column(name, "continuous", reason="whole numbers on a wide range")
    for grid in _GRIDS:
        if bulk / grid > _MAX_STEPS or grid < spread * _NEGLIGIBLE:
            break
        if _is_grid(v, grid):
            return Column(name, "rounded", grid, reason=f"all values are multiples of {grid:g}")
    return Column(name, "continuous", reason="no grid of 1e-6 or coarser holds all values")


def _is_grid(v: np.ndarray, grid: float) -> bool:
    """Tell whether all values are multiples, and not all of them the same one (tiny values)."""
    return bool(on_grid(v, grid).all() and np.ptp(np.round(v / grid)) > 0)


def _override(column: Column, given: Any) -> Column:
    allowed = {"kind", "resolution", "low", "high"}
    if not isinstance(given, Mapping):
        raise OptionError(
            f"column {column.name!r} declared as {given!r}", f"entries {', '.join(sorted(allowed))}"
        )
    given = dict(given)
    if set(given) - allowed:
        raise OptionError(f"declared entries {sorted(set(given) - allowed)}", f"{sorted(allowed)}")
    if not given:
        return column
    for entry in ("resolution", "low", "high"):
        if not isinstance(given.get(entry), Real | None):
            raise OptionError(f"column {column.name!r}: {entry} {given[entry]!r}", "a number")
    if given.get("kind") == "constant" and column.kind != "constant":
        raise OptionError(f"column {column.name!r} declared constant", "a column that varies")
    if given.get("kind") == "continuous":
        given = {"resolution": 0.0, **given}
    elif given.get("kind") == "integer":
        given = {"resolution": 1.0, **given}
    elif "resolution" in given:
        given = {"kind": "rounded" if given["resolution"] else "continuous", **given}
    if column.kind == "constant":
        given = {k: v for k, v in given.items() if k in ("low", "high")}
    return dataclasses.replace(column, **given, reason=f"{column.reason}; declared by the user")


def _scaled(column: Column, v: np.ndarray, weights: Weights) -> Column:
    """Set centre and scale: at the nearer bound if there is one, else robustly in the middle."""
    if column.kind == "constant":
        return column
    scale = _robust_scale(v, weights)
    scale = scale if np.isfinite(scale) and scale > 0 else (column.resolution or 1.0)
    centre = float(_quantile(v, weights, 0.5))
    bounds = [edge for edge in (column.low, column.high) if edge is not None]
    if bounds and min(abs(centre - edge) for edge in bounds) < FAR * scale:
        width = bounds[-1] - bounds[0] if len(bounds) == 2 else max(abs(centre - bounds[0]), scale)
        near = min(bounds, key=lambda edge: abs(centre - edge))
        return dataclasses.replace(column, centre=near, scale=float(width))
    return dataclasses.replace(column, centre=centre, scale=float(scale))


def _robust_scale(v: np.ndarray, weights: Weights) -> float:
    """Return the interquartile range over 1.349; wider ranges where half the values are equal."""
    for low, width in ((0.25, 1.349), (0.1, 2.563), (0.02, 4.107)):
        spread = _quantile(v, weights, 1 - low) - _quantile(v, weights, low)
        if spread > 0:
            return float(spread / width)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(v, weights=weights)
        deviation = float(np.sqrt(np.average((v - mean) ** 2, weights=weights)))
    return deviation if np.isfinite(deviation) else float(v.max() / 4 - v.min() / 4)


def _quantile(v: np.ndarray, weights: Weights, q: float) -> float:
    if (weights == weights[0]).all():
        return float(np.quantile(v, q))
    order = np.argsort(v)
    share = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    return float(np.interp(q, share, v[order]))


def _check_bounds(column: Column, v: np.ndarray) -> None:
    half = column.resolution / 2
    low = -np.inf if column.low is None else column.low - half
    high = np.inf if column.high is None else column.high + half
    beyond = (v <= low) | (v >= high)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(
            f"column {column.name!r}, row {row}: {v[row]:.17g} at or beyond a declared bound",
            f"values inside ({column.low}, {column.high})",
            "correct the value, or declare a wider bound",
        )
