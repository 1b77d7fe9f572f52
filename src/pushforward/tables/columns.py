"""Columns as exact transforms: what bends each column towards a standard normal, fitted once."""

import dataclasses

import numpy as np
from jaxtyping import Float

from pushforward.core.numerics import MIN_SCALE
from pushforward.fitting.knots import Column, Knots, evaluate_knots, quantile_knots
from pushforward.tables.schema import Schema
from pushforward.transforms.absent import Present
from pushforward.transforms.compose import Chain, Frozen
from pushforward.transforms.elementwise import Affine
from pushforward.transforms.marginal import MarginalSpline
from pushforward.transforms.warp import Warp

KNOTS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of quantile knots that are tried, fewest first."""

_ROWS_PER_KNOT = 20
_MIN_GAIN = 0.003
"""Held-out nats a row that a larger number of knots must bring: below it is noise of the split."""

_MIN_SD = 2 * MIN_SCALE
"""Least sd that an `Affine` scales by; columns are of order one, and bounds not far off."""

_ULPS = 8
"""Float32 roundings between a bound and the values that are spread next to it."""

_SCALES = (4.0, 2.0, 1.0)
"""Where an unbounded column's tails may begin to be bent, in its sd; 4 leaves a Gaussian as it is,
and a cell however wild has finite odds."""

_MAX_ROWS = 100_000


@dataclasses.dataclass(frozen=True)
class FittedColumns:
    """Hold the transform (latent → standardized columns) and what it does, in words."""

    transform: Frozen
    notes: tuple[str, ...]


def fit_columns(
    u: Float[np.ndarray, "n dim"], schema: Schema, weights: Column | None = None
) -> FittedColumns:
    """Choose and fit each column's chain: warp, centre and scale, and a quantile spline.

    A bounded column passes the logarithm its bounds call for, any other s arcsinh(u/s), which
    leaves the middle alone and shortens the tails: s is the one under which the column is most
    likely a Gaussian so bent. The spline follows the quantiles; its number of knots (or none) is
    the one that describes held-out fifths of these rows best.

    Parameters
    ----------
    u : standardized training rows, NaN where one has no value; recorded values already spread
        over their cells.
    schema : says which columns are bounded, and where.
    weights : one weight per row.
    """
    weights = np.ones(len(u)) if weights is None else weights
    if len(u) > _MAX_ROWS:
        chosen = np.random.default_rng(0).choice(len(u), _MAX_ROWS, replace=False)
        u, weights = u[chosen], weights[chosen]
    edges = schema.edges()
    kinds = _warp_kinds(edges, "arcsinh")
    moments, knots, scales, notes = [], [], [], []
    for j, kind in enumerate(kinds):
        there = ~np.isnan(u[:, j])
        cells, own = u[there, j], weights[there]
        scale = _likeliest_scale(cells, own) if kind == "arcsinh" and own.any() else 1.0
        warped = _warp(cells, kind, *edges[j], scale)
        mean = np.average(warped, weights=own) if own.any() else 0.0
        sd = np.sqrt(np.average((warped - mean) ** 2, weights=own)) if own.any() else 0.0
        sd = max(sd, _MIN_SD) if sd > 0 else 1.0
        best = _choose_knots((warped - mean) / sd, own) if own.any() else None
        moments.append((mean, sd))
        knots.append(best if best is not None else _IDENTITY)
        scales.append(scale)
        notes.append(kind if best is None else f"{kind}, {len(best[0])}-knot quantile spline")
    mean, sd = np.array(moments).T
    chain = Chain([MarginalSpline(knots), Affine(mean, sd), _warp_of(kinds, edges, scales)])
    return FittedColumns(Frozen(Present(chain) if schema.is_partial else chain), tuple(notes))


def bounds_warp(schema: Schema) -> Warp | Present | None:
    """Return the warp that keeps bounded columns inside and leaves the others; None if none is."""
    edges = schema.edges()
    if not np.isfinite(edges).any():
        return None
    warp = _warp_of(_warp_kinds(edges, "identity"), edges)
    return Present(warp) if schema.is_partial else warp


def inside_edges(schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Return per column the least and greatest value that float32 tells from the bounds."""
    low, high = schema.edges().T
    return low + _ULPS * _spacing(low), high - _ULPS * _spacing(high)


def _spacing(edge: np.ndarray) -> np.ndarray:
    finite = np.where(np.isfinite(edge), np.abs(edge), 1.0)  # an infinite edge stays where it is
    return np.spacing(finite.astype(np.float32)).astype(np.float64)


_IDENTITY: Knots = (np.array([-1.0, 1.0]), np.array([-1.0, 1.0]), np.ones(2))


def _warp_kinds(edges: np.ndarray, unbounded: str) -> tuple[str, ...]:
    names = {(False, False): unbounded, (True, False): "above", (False, True): "below"}
    return tuple(names.get((bool(a), bool(b)), "between") for a, b in np.isfinite(edges))


def _warp_of(kinds: tuple[str, ...], edges: np.ndarray, scales: list[float] | None = None) -> Warp:
    low, high = (np.where(np.isfinite(edges[:, k]), edges[:, k], k) for k in (0, 1))
    return Warp(kinds, low, high, scales)


def _likeliest_scale(u: Column, weights: Column) -> float:
    """Return the s under which s arcsinh(u/s) is most likely Gaussian (Johnson's S_U)."""

    def log_likelihood(s: float) -> float:
        bent = s * np.arcsinh(u / s)
        mean = np.average(bent, weights=weights)
        variance = np.average((bent - mean) ** 2, weights=weights)
        log_slope = -0.5 * np.average(np.log1p((u / s) ** 2), weights=weights)
        return float(log_slope - 0.5 * np.log(max(variance, _MIN_SD**2)))

    return max(_SCALES, key=log_likelihood)


def _warp(u: Column, kind: str, low: float, high: float, scale: float) -> Column:
    """Return the warp on the host, in float64."""
    if kind == "arcsinh":
        return scale * np.arcsinh(u / scale)
    zero = np.zeros_like(u)
    up = np.log(u - low) if kind in ("above", "between") else zero
    down = np.log(high - u) if kind in ("below", "between") else zero
    return up - down


def _choose_knots(v: Column, weights: Column) -> Knots | None:
    """Return the knots that describe held-out rows best, fitted to all rows; None for a line."""
    fold = np.random.default_rng(0).permutation(len(v)) % 5
    learn, check = fold > 0, fold == 0
    if check.sum() == 0 or weights[learn].sum() == 0 or weights[check].sum() == 0:
        return None
    best, best_score = None, -0.5 * np.average(v[check] ** 2, weights=weights[check])
    for count in KNOTS:
        if count * _ROWS_PER_KNOT > learn.sum():
            break
        found = quantile_knots(v[learn], weights[learn], count)
        if found is None:
            continue
        z, log_slope = evaluate_knots(v[check], *found)
        score = np.average(log_slope - 0.5 * z * z, weights=weights[check])
        if score > best_score + _MIN_GAIN:
            best, best_score = count, score
    return None if best is None else quantile_knots(v, weights, best)
