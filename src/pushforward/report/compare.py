"""Real rows against sampled ones, column by column and pair by pair."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from pushforward.tables.schema import Schema

MAX_MARGINALS = 24
"""Columns that are drawn, those that match least first."""

MAX_PAIRS = 4
_RANKED_COLUMNS = 40
"""Columns whose pairs are ranked, those that match least first: pairs grow with the square."""

_STATES = 12
"""Categories that are drawn, those with most rows first."""

_PATTERNS = 8
"""Patterns of missing cells that are shown."""

_CELLS = 8
_PIXELS = 48
_BINS = 48
_RANGE = (0.005, 0.995)


def marginals(real: np.ndarray, sampled: np.ndarray, schema: Schema) -> list[dict[str, Any]]:
    """Return per column a histogram of both and the largest difference of distribution functions.

    For a column of categories or levels: the shares of each, and half their summed difference.

    With the p-value of a two-sample test (Kolmogorov-Smirnov of the values, χ² of the states, the
    smaller one doubled where there are both). The worst match comes first; at most
    `MAX_MARGINALS` hold their histograms.
    """
    found = []
    for i in schema.modelled:
        column = schema.columns[i]
        if not column.is_valued:
            found.append(_states(schema, i, real, sampled))
            continue
        ours, theirs = (rows[~np.isnan(rows[:, i]), i] for rows in (real, sampled))
        if not len(ours) or not len(theirs):
            continue
        edges = _edges(ours, column.resolution)
        found.append(
            {
                "name": column.name,
                "ks": _ks(ours, theirs),
                "p_value": _p_value(schema, i, real, sampled),
                "edges": edges.tolist(),
                "real": _shares(ours, edges),
                "sampled": _shares(theirs, edges),
            }
        )
    found.sort(key=lambda m: -m["ks"])
    for marginal in found[MAX_MARGINALS:]:
        for entry in ("edges", "labels", "real", "sampled"):
            marginal.pop(entry, None)
    return found


def worst_pairs(real: np.ndarray, sampled: np.ndarray, schema: Schema) -> list[dict[str, Any]]:
    """Return the pairs of columns of numbers whose joint law samples match least.

    Columns with missing cells are left out. Measure: half the summed difference of cell shares on
    an 8 × 8 grid of the real quantiles (total variation of the binned laws; two equal laws give
    about √(cells/rows)/2).
    """
    order = [i for i in schema.valued if np.isfinite([real[:, i].sum(), sampled[:, i].sum()]).all()]
    order = sorted(order, key=lambda i: -_ks(real[:, i], sampled[:, i]))
    order = order[:_RANKED_COLUMNS]
    codes = {}
    for i in order:
        inner = np.unique(np.quantile(real[:, i], np.linspace(0, 1, _CELLS + 1)[1:-1]))
        codes[i] = tuple(np.searchsorted(inner, rows[:, i], "right") for rows in (real, sampled))
    ranked = []
    for i, j in combinations(sorted(order), 2):
        shares = [
            np.bincount(codes[i][k] * _CELLS + codes[j][k], minlength=_CELLS**2) / len(codes[i][k])
            for k in (0, 1)
        ]
        ranked.append((0.5 * float(np.abs(shares[0] - shares[1]).sum()), i, j))
    ranked.sort(reverse=True)
    return [_pair(real, sampled, schema, *item) for item in ranked[:MAX_PAIRS]]


def _states(schema: Schema, i: int, real: np.ndarray, sampled: np.ndarray) -> dict[str, Any]:
    """Return the shares of a column's states, the most frequent first, and their distance."""
    column, size = schema.columns[i], len(schema.columns[i].states)
    shares = [
        np.bincount(codes[codes >= 0].astype(int), minlength=size) / len(codes)
        for codes in (schema.codes_of(i, real), schema.codes_of(i, sampled))
    ]
    order = np.argsort(-shares[0], kind="stable")[:_STATES]
    return {
        "name": column.name,
        "ks": 0.5 * float(np.abs(shares[0] - shares[1]).sum()),
        "p_value": _p_value(schema, i, real, sampled),
        "labels": [column.states[k] for k in order],
        "real": shares[0][order].round(6).tolist(),
        "sampled": shares[1][order].round(6).tolist(),
    }


def missing_patterns(real: np.ndarray, sampled: np.ndarray, schema: Schema) -> list[dict[str, Any]]:
    """Return which columns are missing together, and in what share of rows; most frequent first."""
    places = [i for i, column in enumerate(schema.columns) if column.missing]
    if not places:
        return []
    shares: list[dict[tuple[int, ...], float]] = []
    for rows in (real, sampled):
        patterns, counts = np.unique(np.isnan(rows[:, places]), axis=0, return_counts=True)
        shares.append(
            {
                tuple(np.flatnonzero(pattern).tolist()): float(count) / len(rows)
                for pattern, count in zip(patterns, counts, strict=True)
            }
        )
    order = sorted(shares[0], key=lambda pattern: -shares[0][pattern])[:_PATTERNS]
    return [
        {
            "columns": [schema.columns[places[k]].name for k in pattern],
            "real": shares[0][pattern],
            "sampled": shares[1].get(pattern, 0.0),
        }
        for pattern in order
    ]


def _p_value(schema: Schema, i: int, real: np.ndarray, sampled: np.ndarray) -> float:
    """Return the chance of a difference as large if both came from one law."""
    found = []
    if schema.columns[i].is_valued:
        ours, theirs = (rows[schema.codes_of(i, rows) == 0, i] for rows in (real, sampled))
        if len(ours) and len(theirs):
            found.append(float(stats.ks_2samp(ours, theirs, method="asymp").pvalue))  # type: ignore[attr-defined]
    size = len(schema.columns[i].states)
    codes = [schema.codes_of(i, rows) for rows in (real, sampled)]
    counts = np.stack([np.bincount(c[c >= 0].astype(int), minlength=size) for c in codes])
    counts = counts[:, counts.sum(0) > 0]
    if counts.shape[1] > 1:
        found.append(float(stats.chi2_contingency(counts).pvalue))  # type: ignore[attr-defined]
    return min(1.0, len(found) * min(found)) if found else 1.0


def _ks(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two columns' distribution functions."""
    return float(tuple(stats.ks_2samp(a, b))[0])


def _pair(
    real: np.ndarray, sampled: np.ndarray, schema: Schema, distance: float, i: int, j: int
) -> dict[str, Any]:
    x, y = (_window(real[:, k]) for k in (i, j))
    grid = [np.linspace(*x, _PIXELS + 1), np.linspace(*y, _PIXELS + 1)]
    counts = [
        np.histogram2d(rows[:, i], rows[:, j], grid)[0].astype(int).tolist()
        for rows in (real, sampled)
    ]
    return {
        "x": schema.columns[i].name,
        "y": schema.columns[j].name,
        "distance": distance,
        "x_range": x,
        "y_range": y,
        "real": counts[0],
        "sampled": counts[1],
    }


def _window(column: np.ndarray) -> list[float]:
    """Return the range that holds nearly all of a column."""
    low, high = np.quantile(column, _RANGE)
    if not low < high:
        low, high = column.min(), column.max()
    return [float(low), float(high)] if low < high else [float(low) - 0.5, float(low) + 0.5]


def _edges(column: np.ndarray, resolution: float) -> np.ndarray:
    """Return bin edges over the window; bins of whole cells where values lie on a grid."""
    low, high = _window(column)
    if resolution:
        step = resolution * max(1, np.ceil((high - low) / resolution / _BINS))
        count = int(np.ceil((high - low) / step)) + 1
        return low - resolution / 2 + step * np.arange(count + 1)
    return np.linspace(low, high, _BINS + 1)


def _shares(column: np.ndarray, edges: np.ndarray) -> list[float]:
    return (np.histogram(column, edges)[0] / len(column)).round(6).tolist()
