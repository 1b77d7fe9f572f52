"""What columns share, row by row: layers that make them independent, and what these leave."""

import dataclasses

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from pushforward.core.errors import DataError, ShapeError
from pushforward.core.numerics import LOG_2PI
from pushforward.fitting.greedy import find_layers
from pushforward.fitting.layers import HostLayer
from pushforward.fitting.memory import BlocksInMemory
from pushforward.metrics.neighbours import neighbour_entropy, neighbour_total_correlation
from pushforward.transforms.gaussianization import GreedyPlan

MIN_ROWS = 50
_LEFT_ROWS = 20_000
"""Rows at most by which the neighbours tell what layers left."""

_DEPENDENT = 1.4
"""Near rows have near neighbours in common: over draws of two to ten independent columns the mean
of the terms scatters by 1.15 to 1.5 times what independent terms would."""

_ONE_VALUE = 1e-9
"""Share of a column's range below which two values are one."""

_MOST_COLUMNS = 20
"""Columns beyond which independent components would take longer than they help."""

_VALIDATION, _PATIENCE, _LAYERS = 5, 20, 100

Rows = Float[np.ndarray, "n dim"]


@dataclasses.dataclass(frozen=True)
class Terms:
    """Hold a measure row by row, in nats: it is the mean of the rows' terms.

    Parameters
    ----------
    each : per row, its term of the estimate.
    in_sample, held_out : what the layers alone say, of the rows they were found from and of
        others.
    layers : how many.
    """

    each: Float[np.ndarray, " n"]
    in_sample: float
    held_out: float
    layers: int

    def plus(self, other: "Terms", factor: float = 1.0) -> "Terms":
        """Return the terms of a sum over the same rows."""
        return Terms(
            self.each + factor * other.each,
            self.in_sample + factor * other.in_sample,
            self.held_out + factor * other.held_out,
            self.layers + other.layers,
        )


def shared(x: Rows, rng: np.random.Generator) -> Terms:
    """Return what columns share: TC(x) = Σ_j H(x_j) − H(x).

    Of u, normal draws in the order of the columns' values,
    TC(u) = E[dlogp + log N(z) − log N(u)] + TC(z): what the layers u → z gain, and what these
    leave between the columns of z, by their neighbours.

    Layers gain a little from their own rows by following them: p/2n with p free numbers. Layers
    of half of the rows gain 2p/n more there than on the other half, so that a quarter of this
    difference is taken off.
    """
    n, dim = x.shape
    if dim == 1:
        return Terms(np.zeros(n), 0.0, 0.0, 0)
    u = _normal_scores(x, rng)
    plan, seed = GreedyPlan(_LAYERS, _rotation(dim)), int(rng.integers(2**31))
    order, tried, seen, held = rng.permutation(n), [], [], []
    for own, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        layers, depth = _layers(u[own], plan, seed)
        tried.append(depth)
        seen.append(_gain(u[own], layers)[1].mean())
        held.append(_gain(u[other], layers)[1].mean())
    plan = dataclasses.replace(plan, layers=int(np.ceil(np.mean(tried))))
    layers = find_layers(_in_memory(u), plan, _rng(seed), patience=plan.layers).layers
    z, gain = _gain(u, layers)
    each = gain - (np.mean(seen) - np.mean(held)) / 4 + _left_over(z)
    return Terms(each, float(gain.mean()), float(np.mean(held)), len(layers))


def cross_entropy(
    rows: Rows, others: Float[np.ndarray, "m dim"], rng: np.random.Generator
) -> Terms:
    """Return each row's term of −E_P log q, rows from P and others from Q.

    −log q(x) = −dlogp − log N(z) − d (log ν₀ − log ν): the layers x → z are found from Q's rows;
    ν is the distance of z to the k-th of Q's rows after the layers, ν₀ to that of as many
    standard normal ones.
    """
    m, dim = others.shape
    others = others[rng.permutation(m)]
    plan = GreedyPlan(_LAYERS, _rotation(dim), tails="pareto")
    layers, _ = _layers(others, plan, int(rng.integers(2**31)))
    z, gain = _gain(rows, layers)
    seen = _gain(others, layers)[0][:, :_LEFT_ROWS]
    normal, k = rng.standard_normal(seen.shape), neighbours(seen.shape[1])
    alone = 0.5 * ((rows**2).sum(1) + dim * LOG_2PI) - gain
    each = alone - dim * (_log_distance(z, normal, k) - _log_distance(z, seen, k))
    return Terms(each, float(alone.mean()), float(alone.mean()), len(layers))


def _left_over(z: Float[np.ndarray, "dim n"]) -> Float[np.ndarray, " n"]:
    """Return each row's term of what nearly independent columns still share, by neighbours.

    Of very many rows some are asked, the same ones for the same number of rows; terms are scaled
    so that their mean is the estimate and their scatter gives its standard error.
    """
    n = z.shape[1]
    some = np.random.default_rng(0).permutation(n)[:_LEFT_ROWS]
    rest = neighbour_total_correlation(z[:, some], neighbours(len(some)))
    each = np.full(n, rest.mean())
    each[some] += _DEPENDENT * (rest - rest.mean()) * (n / len(some))
    return each


def column_entropies(x: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, " n"]:
    """Return each row's term of Σ_j H(x_j)."""
    return sum((neighbour_entropy(column, neighbours(len(x))) for column in x.T), np.zeros(len(x)))


def neighbours(n: int) -> int:
    """Return how many neighbours to ask of n rows: fewer blur less, more are steadier."""
    return int(np.clip(n // 500, 4, 10))


def checked(x: object, name: str, rng: np.random.Generator) -> Float[np.ndarray, "n dim"]:
    """Return rows as float64; values that rounding made equal spread over the gap between them.

    Raises
    ------
    DataError : a value is not finite, a column has one value only, or rows are too few.
    """
    rows = np.array(x, np.float64)
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ShapeError(f"{name} of shape {rows.shape}", "rows: (n, dim)")
    if len(rows) < MIN_ROWS:
        raise DataError(f"{name} of {len(rows)} rows", f"at least {MIN_ROWS}")
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise DataError(f"{name}[{row}, {column}] = {rows[row, column]}", "finite numbers")
    for j in range(rows.shape[1]):
        values = np.unique(rows[:, j])
        if len(values) == 1:
            raise DataError(f"{name}: column {j} with one value", "columns that vary")
        if len(values) < len(rows):
            gaps = np.diff(values)  # what rounding in computing them left apart is no gap
            least = gaps[gaps > _ONE_VALUE * np.ptp(values)].min()
            rows[:, j] += least * rng.uniform(-0.5, 0.5, len(rows))
    return rows


def _rotation(dim: int) -> str:
    return "ica" if 2 < dim <= _MOST_COLUMNS else "random"


def _layers(x: Rows, plan: GreedyPlan, seed: int) -> tuple[list[HostLayer], int]:
    """Return layers found from all rows, as many as were best for a fifth of them; and how many."""
    cut = len(x) // _VALIDATION
    held = {"held": x[:cut], "held_weights": np.ones(cut)}
    given = BlocksInMemory(x[cut:], np.ones(len(x) - cut), **held)
    depth = max(1, find_layers(given, plan, _rng(seed), patience=_PATIENCE).tried)
    plan = dataclasses.replace(plan, layers=depth)
    return find_layers(_in_memory(x), plan, _rng(seed), patience=depth).layers, depth


def _in_memory(x: Rows) -> BlocksInMemory:
    return BlocksInMemory(x, np.ones(len(x)))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _gain(
    x: Rows, layers: list[HostLayer]
) -> tuple[Float[np.ndarray, "dim n"], Float[np.ndarray, " n"]]:
    """Return z and dlogp + log N(z) − log N(x) of each row."""
    z, gain = x.T, 0.5 * (x * x).sum(1)
    for layer in layers:
        z, change = layer.move(z)
        gain = gain + change
    return z, gain - 0.5 * (z * z).sum(0)


def _normal_scores(x: Rows, rng: np.random.Generator) -> Rows:
    """Return normal draws in the order of each column's values, equal ones in random order.

    Φ⁻¹ of the ranks themselves would lie so evenly that neighbours are miscounted.
    """
    order, scores = rng.permutation(len(x)), np.empty_like(x)
    for j, column in enumerate(x.T):
        places = order[np.argsort(column[order], kind="stable")]
        scores[places, j] = np.sort(rng.standard_normal(len(x)))
    return scores


def _log_distance(
    z: Float[np.ndarray, "dim n"], among: Float[np.ndarray, "dim m"], k: int
) -> Float[np.ndarray, " n"]:
    return np.log(KDTree(among.T).query(z.T, k, workers=-1)[0][:, k - 1])
