"""Marginal Gaussianizers: knots of a monotone spline that sends one column to a standard normal."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num
from scipy.special import ndtri
from scipy.stats import norm

from pushforward.fitting.grid import CELL, Grid, coarse, middles, mixture_curves, smoothed
from pushforward.fitting.knots import Knots, evaluate_knots, quantile_knots, tail_slope
from pushforward.fitting.pareto import pareto_tail

_BANDWIDTHS = tuple(np.geomspace(0.0125, 4, 16))
"""Bandwidths that are compared; they stand on the grid's own scale."""

_COARSE_BANDWIDTH = 0.06
"""Smaller bandwidths would fall between the cells of the coarse grid."""

_QUANTILES, _QUANTILE_ROWS = (8, 16, 32), 20
"""Numbers of quantiles that are tried, and rows that each takes."""

_KNOT_COST = 2.0
"""Nats, of all rows together, that a free knot must gain: one for what it gains by following its
own rows (Akaike), and one because the best of many splines is taken, layer after layer."""

_PENALTY = 2.0
"""Nats, of all rows together, by which leaving rows out must favour a spline over a line."""

_MOST_KNOTS = 200
TAIL_ROWS = 10
"""A tail begins where so many rows are left."""

_MOST_TAIL = 0.25
"""Share of the rows that a tail has at most."""

_SLOPES = (1e-3, 1e3)
"""Range of a knot's slope relative to the column's scale."""

_SETTLED_TAIL = 0.5
"""Power of a settled column's tail slopes, half-way to one: the noise of ten rows, multiplied over
many layers, would throw a far row out of sight."""

_LEAST_TAIL, _HEAVIEST = 10, 1.5
"""Rows that tell a tail's shape, and the greatest shape: beyond 1 it has no mean."""

_FLAT = 1e-6
"""Least sd of a standardized column that varies."""

_FAR = 30.0
"""Normal score that no row reaches."""

_LEAST_RISE = 1e-5
"""Least distance of two knots' images."""

_MIXTURE_STEP = 0.05
"""Distance of a mixture's knots."""

_LEAST = 1e-300
"""Stands for a density or a share of zero, whose logarithm is asked for and not used."""

Counts = Num[np.ndarray, " cells"]


@dataclasses.dataclass(frozen=True)
class Counted:
    """Hold the counts of standardized columns on a grid."""

    grid: Grid
    counts: Num[np.ndarray, "dim cells"]

    @property
    def is_whole(self) -> np.ndarray:
        """Tell per column whether all rows lie within the grid."""
        return (self.counts[:, [0, -1]] == 0).all(1)

    def moments(self, bent: bool) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, " dim"]]:
        """Return each column's mean and sd, on the grid's own scale if `bent`."""
        places = middles() if bent else self.grid.unwarped(middles())
        share = self.counts / self.counts.sum(1, keepdims=True)
        mean = share @ places
        return mean, np.sqrt(np.maximum(share @ places**2 - mean**2, 0))


def fit_marginals(
    counted: Sequence[Counted],
    rows: float,
    *,
    method: str = "adaptive",
    damping: float = 0.0,
    settled: bool = False,
    tail_rows: int = TAIL_ROWS,
) -> list[Knots]:
    r"""Return per column the knots of a monotone spline, data → normal scores.

    adaptive: of kernel and quantile (through 8, 16 or 32) what describes the column best: kernels
    what is smooth, quantiles what has edges.
    kernel: z = √(1 + h²/σ²) Φ⁻¹(F_h(u)), with F_h the kernel estimate of the distribution; the
    factor takes back the kernel's own width, so that a Gaussian column gives a straight line at
    every h. The bandwidth h is the one whose density describes each row best when that row is
    left out; where none does so by more than the line of mean and sd, the line is kept.
    quantile: through equal steps of probability. empirical: the same with as many knots as may
    be. histogram: through the edges of √n cells of equal width. mixture: the distribution of a
    Gaussian mixture, by EM.

    A column that does not vary is left as it is. Each follows the column between its tails, which
    begin where `tail_rows` are left; beyond, a line with the mean excess of the normal.

    Parameters
    ----------
    counted : the columns on one grid or more, the farthest reaching last; of kernels the one
        that describes a column best is taken, otherwise the last.
    rows : how many rows were counted; of weighted rows the effective number (Σw)²/Σw².
    method : one of `transforms.gaussianization.MARGINALS`.
    damping : a in [0, 1): the spline's share is 1 − a, the line's a.
    settled : whether columns have mean zero and sd one by what was done before, so that the line
        is the identity.
    tail_rows : how many rows each tail has.

    Source laparra2011rbig, dai2021sinf, silverman1986, akaike1974
    """
    mean, sd = counted[-1].moments(bent=False)
    flat = sd < _FLAT
    sd = np.where(flat, 1.0, sd)
    line = -np.log(sd) - 0.5 * (1 + math.log(2 * math.pi))
    if settled:
        line = -0.5 * (mean**2 + sd**2 + math.log(2 * math.pi))
        mean, sd = np.zeros_like(mean), np.ones_like(sd)
    least = min(tail_rows / rows, _MOST_TAIL)
    chosen = [
        _Choice(math.inf if f else v + _PENALTY / rows) for f, v in zip(flat, line, strict=True)
    ]
    if method in ("adaptive", "kernel"):
        _try_kernels(chosen, counted, rows)
    if method == "adaptive":
        _try_quantiles(chosen, counted[-1], rows)
    out = []
    for j, choice in enumerate(chosen):
        if choice.knots is not None:
            found = choice.knots
        elif choice.part is not None:
            found = _between_tails(choice.part, j, choice.bandwidth, rows, "kernel", least)
        elif flat[j] or method in ("adaptive", "kernel"):
            found = None
        else:
            found = _between_tails(counted[-1], j, 0.0, rows, method, least)
        if found is None:
            low, high = _quantiles(counted[-1], j, least)
            x = np.array([min(low, mean[j] - sd[j]), max(high, mean[j] + sd[j])])
            out.append((x, (x - mean[j]) / sd[j], np.full(2, 1 / sd[j])))
            continue
        x, z, slopes = found
        if settled:
            slopes[[0, -1]] **= _SETTLED_TAIL
        z = (1 - damping) * z + damping * (x - mean[j]) / sd[j]
        slopes = np.clip(slopes * sd[j], *_SLOPES) / sd[j]
        out.append((x, z, (1 - damping) * slopes + damping / sd[j]))
    return out


@dataclasses.dataclass
class _Choice:
    """Hold the best so far for one column: its score, and by which kernel or which knots."""

    score: float
    part: Counted | None = None
    bandwidth: float = 0.0
    knots: Knots | None = None


def _try_kernels(chosen: list[_Choice], counted: Sequence[Counted], rows: float) -> None:
    """Put in the grid and bandwidth that describe rows left out best, where better than before."""
    for part in counted:
        scale = np.maximum(part.moments(bent=True)[1], _FLAT)
        share = part.counts / part.counts.sum(1, keepdims=True)
        bent = share @ part.grid.log_slope(middles())
        last = math.inf
        for bandwidth in _BANDWIDTHS[::-1]:
            here = part.is_whole | (len(counted) == 1)
            counts = coarse(part.counts)
            if bandwidth < _COARSE_BANDWIDTH:  # only where the last one was better than any before
                here &= np.array([c.part is part and c.bandwidth == last for c in chosen])
                counts = part.counts
            last = bandwidth
            if not here.any():
                continue
            scores = _left_out(counts[here], bandwidth, scale[here], rows) + bent[here]
            for j, score in zip(np.flatnonzero(here), scores, strict=True):
                if score > chosen[j].score:
                    chosen[j] = _Choice(score, part, bandwidth)


def _try_quantiles(chosen: list[_Choice], part: Counted, rows: float) -> None:
    """Put in a spline through few quantiles, where it describes a column better than before.

    From its mean log density at the rows it followed is taken what so many free knots gain by
    following them (Akaike).
    """
    u = part.grid.unwarped(middles())
    for j, counts in enumerate(part.counts):
        there = counts > 0
        share = counts[there] / counts.sum()
        for count in _QUANTILES:
            if count * _QUANTILE_ROWS > rows:
                break
            knots = quantile_knots(u[there], counts[there].astype(float), count, rows)
            if knots is None:
                continue
            z, log_slope = evaluate_knots(u[there], *knots)
            score = share @ (log_slope - 0.5 * z * z) - 0.5 * math.log(2 * math.pi)
            score -= _KNOT_COST * len(knots[0]) / rows
            if score > chosen[j].score:
                chosen[j] = _Choice(score, knots=knots)


def _left_out(
    counts: Num[np.ndarray, "dim cells"], bandwidth: float, scale: np.ndarray, rows: float
) -> Float[np.ndarray, " dim"]:
    """Return the mean log density of each row by the law of the others, on the grid's scale."""
    cdf, density = smoothed(counts, bandwidth)
    own = 1 / (math.sqrt(2 * math.pi) * bandwidth)
    others = np.maximum((rows * density - own) / max(rows - 1, 1), _LEAST)
    excess = (bandwidth / scale[:, None]) ** 2
    y = ndtri(np.clip(cdf, 1e-15, 1 - 1e-15))
    each = np.log(others) - 0.5 * excess * y * y
    share = counts / counts.sum(1, keepdims=True)
    return (share * np.where(counts > 0, each, 0)).sum(1) + 0.5 * np.log1p(excess[:, 0])


def _between_tails(
    part: Counted, j: int, bandwidth: float, rows: float, method: str, least: float
) -> Knots | None:
    """Return a column's knots, or none where too few are distinct."""
    counts, u = part.counts[j], part.grid.unwarped(middles())
    if method in ("quantile", "empirical"):
        count = _MOST_KNOTS if method == "empirical" else int(np.clip(rows / 20, 4, 128))
        there = counts > 0
        return quantile_knots(u[there], counts[there].astype(float), count, rows)
    total = counts.sum()
    share = np.cumsum(counts) / total
    low, high = (int(end) for end in np.searchsorted(share, [least, 1 - least]))
    if method == "histogram":
        at = _cells(low, high, math.sqrt(rows))
        z, slopes = ndtri(share[at] - 0.5 * counts[at] / total), None
    else:
        step = bandwidth / 2 if method == "kernel" else _MIXTURE_STEP
        at = _cells(low, high, (high - low) * CELL / step)
        if method == "kernel":
            cdf, density = (curve[0][at] for curve in smoothed(counts[None], bandwidth))
            factor = math.sqrt(1 + (bandwidth / part.moments(bent=True)[1][j]) ** 2)
        else:
            cdf, density = (curve[at] for curve in mixture_curves(counts))
            factor = 1.0
        y = ndtri(cdf)
        z = factor * y
        slopes = factor * density * np.sqrt(2 * np.pi) * np.exp(0.5 * y * y)
        slopes = slopes * np.exp(part.grid.log_slope(middles()[at]))
    kept = np.flatnonzero(np.diff(z, prepend=-np.inf) > _LEAST_RISE)
    if len(kept) < 3 or not z[kept[0]] < 0 < z[kept[-1]]:
        return None
    at, x, z = at[kept], u[at[kept]], z[kept]
    secants = np.diff(z) / np.diff(x)
    inner = np.sqrt(secants[1:] * secants[:-1]) if slopes is None else slopes[kept][1:-1]
    below, above = slice(0, at[0]), slice(at[-1] + 1, None)
    first = tail_slope(x[0] - u[below], counts[below], -z[0], secants[0])
    last = tail_slope(u[above] - x[-1], counts[above], z[-1], secants[-1])
    return x, z, np.concatenate([[first], inner, [last]])


def _quantiles(part: Counted, j: int, least: float) -> tuple[float, float]:
    """Return where a column's two tails begin."""
    share = np.cumsum(part.counts[j]) / part.counts[j].sum()
    low, high = part.grid.unwarped(middles()[np.searchsorted(share, [least, 1 - least])])
    return float(low), float(high)


def tail_shapes(
    counted: Counted, knots: list[Knots], kind: str
) -> tuple[list[Knots], Float[np.ndarray, "dim 2"]]:
    """Return knots whose outermost slopes suit tails of a kind, and the tails' shapes ξ.

    pareto: shape (at least 0) and scale of what lies beyond the last knot, after Zhang and
    Stephens; clip: ξ = −1, a level density that ends one mean gap beyond the farthest row.

    Source zhang2009pareto
    """
    u, out, shapes = counted.grid.unwarped(middles()), [], []
    for (x, z, slopes), counts in zip(knots, counted.counts, strict=True):
        if len(x) == 2 and kind == "pareto":  # a normal column: its own tails, as far as any row
            ends = np.array([-_FAR, _FAR])
            out.append((x[0] + (ends - z[0]) / slopes[0], ends, slopes))
            shapes.append([0.0, 0.0])
            continue
        slopes, own = slopes.copy(), []
        for side, end in ((-1.0, 0), (1.0, -1)):
            beyond = side * u > side * x[end]
            there = beyond & (counts > 0)
            weight = counts[there] / counts[there].min() if there.any() else counts[there]
            excess = np.repeat(side * (u[there] - x[end]), np.minimum(weight, 1e4).astype(int))
            edge = side * z[end]
            hazard = np.exp(norm.logpdf(edge) - norm.logsf(edge))
            shape, scale = 0.0, 1 / (hazard * slopes[end])
            if len(excess) >= _LEAST_TAIL and kind == "pareto":
                shape, scale = pareto_tail(excess)
                shape = float(np.clip(shape, 0.0, _HEAVIEST))
            elif len(excess) and kind == "clip":
                shape, scale = -1.0, excess.max() * (1 + 1 / len(excess))
            slopes[end] = 1 / (hazard * scale)
            own.append(shape)
        out.append((x, z, slopes))
        shapes.append(own)
    return out, np.array(shapes)


def _cells(low: int, high: int, count: float) -> np.ndarray:
    """Return so many distinct cells at equal steps, both ends among them."""
    return np.unique(
        np.linspace(low, high, int(np.clip(count, 8, _MOST_KNOTS))).round().astype(int)
    )
