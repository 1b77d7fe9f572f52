"""What a column is, read off its values, with the reason."""

import dataclasses
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, OptionError
from pushforward.tables.circle import angle_on_circle, on_circle, time_on_circle
from pushforward.tables.column import FAR, SET_ASIDE, VALUED, Column
from pushforward.tables.schema import Schema, is_grid
from pushforward.tables.sources import Source

_GRIDS = (0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 1e-4, 1e-5, 1e-6)

_NEGLIGIBLE = 1e-6
"""A grid finer than this share of the column's spread is no grid: noise of its width is nothing."""

_MAX_STEPS = 1e12
"""Beyond this many steps from zero float64 cannot tell a grid from chance."""

_LEVEL_ROWS = 20
"""Rows from which on a column of two values is one of levels: fewer may just be few rows."""

_ATOM_ROWS, _ATOM_SHARE, _ATOM_EXCESS = 10, 0.01, 5.0
"""What makes a value an atom: rows, share of all, and rows in units of its neighbours'."""

_FEW_LEVELS, _ROWS_PER_LEVEL = 50, 100
"""So few different values, with so many rows each, are learned value by value."""

_FEW_OTHERS = 100
"""Fewer rows than that beside a column's levels are levels too: too few to learn a density."""

_TOLD = 4
"""Single values named in a column's reason."""

_MOST_CATEGORIES, _KEY_SHARE = 50, 0.5
"""More texts than that, in more than half of the rows, are a key."""

_MAX_CATEGORIES = 1000
"""Each is an input and an output of the nets."""

_BULK = 0.99
"""Share of the values that must lie within those steps: a stray 1e30 does not hide a grid."""

Values = Float[np.ndarray, "n columns"]
Weights = Float[np.ndarray, " n"]


def infer_schema(
    values: Values,
    names: tuple[str, ...],
    weights: Weights | None = None,
    sources: tuple[Source, ...] | None = None,
    declared: Schema | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    unknown: bool = False,
) -> Schema:
    """Read each column's kind and resolution off its values, and a robust centre and scale.

    Parameters
    ----------
    values : the table, float64.
    names : its column names.
    weights : weights of the rows; one of weight zero says nothing.
    sources : what kind of column each comes from; plain numbers by default.
    declared : a schema whose kinds, resolutions and bounds are taken as they are; or a dict
        column → {"kind", "resolution", "low", "high", "atoms", "period"} that overrides what is
        found; a period says that the values lie on a circle, a period of 0 that they do not.
    unknown : missing cells stand for what is unknown, also in columns that have none.

    Raises
    ------
    DataError : names repeat, there are fewer than two rows, no column varies, or a value lies
        at or beyond a declared bound or off a declared grid.
    """
    _check_table(values, names)
    weights = np.ones(len(values)) if weights is None else weights
    sources = (Source(),) * len(names) if sources is None else sources
    counts = weights > 0
    seen, own = values[counts], weights[counts]
    if isinstance(declared, Schema):
        declared.check_names(names, len(names))
        found = declared.columns
    else:
        found = tuple(
            _override(
                _infer(seen[:, i], own, name, source),
                (declared or {}).get(name, {}),
                seen[:, i],
            )
            for i, (name, source) in enumerate(zip(names, sources, strict=True))
        )
        strange = set(declared or {}) - set(names)
        if strange:
            raise OptionError(f"declared columns {sorted(strange)}", f"among {', '.join(names)}")
    if all(column.kind in SET_ASIDE for column in found):
        raise DataError("a table in which no column varies", "at least one column with two values")
    columns = tuple(_scaled(c, seen[:, i], own) for i, c in enumerate(found))
    schema = Schema(columns)
    # Rows of no weight stay in their places, each as the first that counts, for places' sake.
    values = np.where(counts[:, None], values, seen[0])
    schema.check_cells(values, unknown=unknown)
    for i, column in enumerate(columns):
        _check_bounds(column, values[:, i])
    return schema


def _check_table(values: Values, names: tuple[str, ...]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"column names that repeat: {repeated}", "a name of its own per column")
    if len(values) < 2:
        raise DataError(f"{len(values)} rows (n_samples = {len(values)})", "at least two")


def _infer(v: np.ndarray, weights: Weights, name: str, source: Source) -> Column:
    if source.recipe:
        parts = ", ".join(part for part, _ in source.recipe)
        return Column(
            name,
            "dependent",
            resolution=1.0 if source.dtype == "Date" else 0.0,
            scale=float(v.std()) or 1.0,
            recipe=source.recipe,
            intercept=source.intercept,
            dtype=source.dtype,
            reason=f"dates: what has a law is {parts}",
        )
    if source.dtype == "Week" and np.ptp(v) > 0:  # a week to come is possible: no list of levels
        told = "weeks since Monday 1969-12-29"
        return Column(name, "integer", 1.0, part_of=source.part_of, dtype="Int64", reason=told)
    missing = np.isnan(v)
    column = _infer_known(v[~missing], weights[~missing], name, source, len(v))
    column = dataclasses.replace(column, dtype=source.dtype, part_of=source.part_of)
    if column.is_valued and source.dtype == "Time":
        column = time_on_circle(column, v[~missing])
    elif column.is_valued:
        column = angle_on_circle(column, v[~missing])
    if not missing.any():
        return column
    reason = f"{column.reason}; {missing.mean():.1%} missing"
    if column.kind == "constant" and column.constant is not None:
        kind = "categorical" if column.categories else "ordinal"
        atoms = () if column.categories else (column.constant,)
        column = dataclasses.replace(column, kind=kind, atoms=atoms, constant=None)
    return dataclasses.replace(column, missing=True, reason=reason)


def _infer_known(v: np.ndarray, weights: Weights, name: str, source: Source, n: int) -> Column:
    """Infer from the cells that are there, of n in all."""
    if not len(v):
        return Column(name, "constant", reason="every cell is missing")
    if source.categories is not None:
        return _infer_categories(v, name, source.categories, n)
    if (v == v[0]).all():
        return Column(name, "constant", constant=float(v[0]), reason="one value only")
    if source.is_boolean:
        return Column(name, "boolean", atoms=(0.0, 1.0), reason="true or false")
    levels = np.unique(v)
    if len(levels) == 2 and len(v) >= _LEVEL_ROWS:
        return Column(name, "ordinal", atoms=tuple(levels.tolist()), reason="two values only")
    atoms = _atoms(v, levels)
    rest = ~np.isin(v, atoms)
    if _has_few_levels(levels, len(v)) and rest.sum() < _FEW_OTHERS:
        rest[:] = False
    column = _infer_values(v[rest], weights[rest], name) if rest.any() else None
    if column is None or column.kind == "constant":
        listed = tuple(levels.tolist())
        return Column(name, "ordinal", atoms=listed, reason=f"{len(listed)} values only")
    if not atoms:
        return column
    shares = [(v == atom).mean() for atom in atoms[:_TOLD]]
    told = ", ".join(f"{a:g} ({share:.1%})" for a, share in zip(atoms, shares, strict=False))
    told += f" and {len(atoms) - _TOLD} more" if len(atoms) > _TOLD else ""
    return dataclasses.replace(column, atoms=atoms, reason=f"{column.reason}; repeated: {told}")


def _infer_categories(v: np.ndarray, name: str, categories: tuple[str, ...], n: int) -> Column:
    seen = len(np.unique(v))
    if seen > _MOST_CATEGORIES and seen > _KEY_SHARE * n:
        raise DataError(
            f"column {name!r}: {seen} different texts in {n} rows, which looks like a key",
            "categories that repeat",
            f"leave the column out (--drop {name})",
        )
    if seen > _MAX_CATEGORIES:
        raise DataError(
            f"column {name!r}: {seen} categories",
            f"at most {_MAX_CATEGORIES}",
            f"merge the rare ones, or leave the column out (--drop {name})",
        )
    if len(categories) == 1:
        return Column(name, "constant", constant=0.0, categories=categories, reason="one text only")
    reason = f"text, {len(categories)} categories"
    return Column(name, "categorical", categories=categories, reason=reason)


def _atoms(v: np.ndarray, levels: np.ndarray) -> tuple[float, ...]:
    """Return the values that have a probability of their own rather than a density.

    All have a share of at least 1 %, and ten rows. Where there are few levels with many rows each
    these are all such values; elsewhere those with five times the rows of each of the three
    nearest values on either side (towards an end there may be none: a cap, a sentinel).
    """
    counts = np.unique(v, return_counts=True)[1]
    common = np.flatnonzero((counts >= _ATOM_ROWS) & (counts >= _ATOM_SHARE * len(v)))
    if _has_few_levels(levels, len(v)):
        return tuple(levels[common].tolist())
    found = []
    for k in common:
        near = np.concatenate([counts[max(0, k - 3) : k], counts[k + 1 : k + 4]])
        if counts[k] >= _ATOM_EXCESS * near.max(initial=1):
            found.append(float(levels[k]))
    return tuple(found)


def _has_few_levels(levels: np.ndarray, n: int) -> bool:
    return len(levels) <= min(_FEW_LEVELS, n / _ROWS_PER_LEVEL)


def _infer_values(v: np.ndarray, weights: Weights, name: str) -> Column:
    if (v == v[0]).all():
        return Column(name, "constant", constant=float(v[0]), reason="one value only")
    spread = _robust_scale(v, weights)
    bulk = float(_quantile(np.abs(v), weights, _BULK))
    if bulk < _MAX_STEPS and is_grid(v, 1.0):
        if spread * _NEGLIGIBLE < 1:
            return Column(name, "integer", 1.0, reason="all values are whole numbers")
        return Column(name, "continuous", reason="whole numbers on a wide range")
    for grid in _GRIDS:
        if bulk / grid > _MAX_STEPS or grid < spread * _NEGLIGIBLE:
            break
        if is_grid(v, grid):
            return Column(name, "rounded", grid, reason=f"all values are multiples of {grid:g}")
    return Column(name, "continuous", reason="no grid of 1e-6 or coarser holds all values")


def _override(column: Column, given: Any, v: np.ndarray) -> Column:
    allowed = {"kind", "resolution", "low", "high", "atoms", "period"}
    if not isinstance(given, Mapping):
        raise OptionError(
            f"column {column.name!r} declared as {given!r}", f"entries {', '.join(sorted(allowed))}"
        )
    given = dict(given)
    if set(given) - allowed:
        raise OptionError(f"declared entries {sorted(set(given) - allowed)}", f"{sorted(allowed)}")
    if not given:
        return column
    for entry in ("resolution", "low", "high", "period"):
        if not isinstance(given.get(entry), Real | None):
            raise OptionError(f"column {column.name!r}: {entry} {given[entry]!r}", "a number")
    kind = given.get("kind", column.kind)
    reason = f"{column.reason}; declared by the user"
    if kind == "constant" and column.kind != "constant":
        raise OptionError(f"column {column.name!r} declared constant", "a column that varies")
    if column.kind == "constant" or (kind == column.kind and not column.is_valued):
        return dataclasses.replace(column, reason=reason)
    if kind in ("categorical", "boolean") or column.kind in ("categorical", "boolean"):
        raise OptionError(
            f"column {column.name!r}, which is {column.kind}, declared {kind}",
            "the kind that its type has",
            "turn the column into numbers, texts, or true and false first",
        )
    if kind == "ordinal":
        levels = tuple(np.unique(v[~np.isnan(v)]).tolist())
        return dataclasses.replace(
            column, kind=kind, resolution=0.0, atoms=levels, low=None, high=None, reason=reason
        )
    given = {**given, "atoms": _listed_atoms(column, given)}
    if kind == "continuous":
        given = {"resolution": 0.0, **given}
    elif kind == "integer":
        given = {"resolution": 1.0, **given}
    elif "resolution" in given:
        given = {"kind": "rounded" if given["resolution"] else "continuous", **given}
    bounded = "low" in given or "high" in given
    period = given.pop("period", 0.0 if bounded or not column.circle else column.circle[1])
    if not period >= 0 or (period and bounded):
        raise OptionError(
            f"column {column.name!r}: period {period:g}", "a positive one, without low and high"
        )
    line = {"low": None, "high": None, "circle": ()} if column.circle else {}
    line = dataclasses.replace(column, **{**line, **given}, reason=reason)
    if not period:
        return line
    there = v[~np.isnan(v)]
    start = 0.0 if there.min() >= 0 else -period / 2
    if column.circle and period == column.circle[1]:
        start = column.circle[0]
    return on_circle(line, there, (start, float(period)), "a circle, as declared by the user")


def _listed_atoms(column: Column, given: dict[str, Any]) -> tuple[float, ...]:
    """Return the declared atoms; those found, where the declared kind leaves them open."""
    if "atoms" in given:
        atoms = given["atoms"]
        if not isinstance(atoms, list | tuple) or not all(isinstance(a, Real) for a in atoms):
            raise OptionError(f"column {column.name!r}: atoms {atoms!r}", "a list of numbers")
        return tuple(float(atom) for atom in atoms)
    became_valued = given.get("kind") in VALUED and not column.is_valued
    return () if became_valued or given.get("kind") == "continuous" else column.atoms


def _scaled(column: Column, v: np.ndarray, weights: Weights) -> Column:
    """Set centre and scale: at the nearer bound if there is one, else robustly in the middle."""
    there = ~np.isnan(v) & ~np.isin(v, column.atoms)
    v, weights = column.unrolled(v[there]), weights[there]
    if not column.is_valued or not len(v):
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
    if not column.is_valued or column.circle:
        return
    half = column.resolution / 2
    low = -np.inf if column.low is None else column.low - half
    high = np.inf if column.high is None else column.high + half
    beyond = ((v <= low) | (v >= high)) & ~np.isin(v, column.atoms)
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(
            f"column {column.name!r}, row {row}: {v[row]:.17g} at or beyond a declared bound",
            f"values inside ({column.low}, {column.high})",
            "correct the value, or declare a wider bound",
        )
