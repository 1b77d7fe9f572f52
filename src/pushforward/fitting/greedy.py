"""Learning without a gradient: layer after layer, each from the rows as the last one left them."""

import dataclasses
import functools
import time

import numpy as np
from jaxtyping import Float

from pushforward.core.errors import DataError, FitError
from pushforward.fitting.blocks import Block, Blocks, Step
from pushforward.fitting.directions import cosines, haar, independent, principal, sliced
from pushforward.fitting.grid import Grid
from pushforward.fitting.layers import UNIT_KNOTS, HostLayer, HostLengths
from pushforward.fitting.lengths import radial_knots
from pushforward.fitting.marginals import TAIL_ROWS, Counted, fit_marginals, tail_shapes
from pushforward.fitting.progress import EpochBar
from pushforward.transforms.gaussianization import GreedyPlan

PATIENCE = 30
"""Layers without a better validation that end a fit, if not said otherwise."""

_WIDE_TAIL, _TAIL_SHARE = 100, 0.05
"""Rows that a tail of a shape of its own is told from, and the share of all that they may be."""

_ALL_DIRECTIONS, _FEW_DIRECTIONS, _ROWS_A_COLUMN = 8, 8, 20
"""Sliced layers of up to so many columns, or with few rows a column, change every direction."""


_LEAST_VARIANCE = 1e-6
"""Share of the largest variance below which a component is not stretched: rows on a plane."""


class Rows:
    """Answer what the search asks of rows, wherever their blocks are kept.

    Steps wait until rows are scored, which moves the blocks: until then each answer takes them
    anew.
    """

    def __init__(self, blocks: Blocks):
        self._blocks, self._waiting = blocks, []
        self.dim, self.effective = blocks.dim, blocks.effective

    def some(self) -> Float[np.ndarray, "dim m"]:
        """Return training rows as they are now: all, or a fixed choice of many."""
        return self._blocks.some().moved(self._waiting).x

    def moments(self) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "dim dim"]]:
        """Return mean and covariance of the training rows as they are now."""
        total, first, second = self._blocks.total(self._waiting, Block.moments, keep=False)
        mean = first / total
        return mean, second / total - np.outer(mean, mean)

    def count(
        self, basis: np.ndarray, loc: np.ndarray, scale: np.ndarray, grids: tuple[Grid, ...]
    ) -> list[Counted]:
        """Return counts of (q_jᵀ x − loc_j)/scale_j of the training rows."""
        ask = functools.partial(Block.counts, basis=basis, loc=loc, scale=scale, grids=grids)
        counts = self._blocks.total(self._waiting, ask, keep=False)
        return [Counted(grid, each) for grid, each in zip(grids, counts, strict=True)]

    def move(self, step: Step) -> None:
        """Pass all rows through a layer, or a map of lengths."""
        self._waiting.append(step)

    def score(self, lengths: bool = False) -> tuple[float, float, Counted | None]:
        """Return mean log-likelihoods of training and validation rows (NaN without any).

        With `lengths` also the counts of the training rows' lengths as normal scores.
        """
        ask = functools.partial(Block.scores, lengths=lengths)
        sums, *counts = self._blocks.total(self._waiting, ask, keep=True)
        self._waiting = []
        train, held = sums[0] / sums[1], sums[2] / sums[3] if sums[3] > 0 else np.nan
        return float(train), float(held), Counted(Grid(), counts[0]) if lengths else None


@dataclasses.dataclass(frozen=True)
class Found:
    """Hold layers and how the search went.

    Parameters
    ----------
    layers : up to the best, the one that data meet first given first.
    tried : how many were tried until the best; some change nothing and are not kept.
    history : lists per layer tried: epoch, train, validation (loss, nats), skipped (directions
        that were left as they were).
    stopped_by : "max_epochs", "patience" or "max_time".
    """

    layers: list[HostLayer]
    tried: int
    history: dict[str, list]
    stopped_by: str


def find_layers(
    blocks: Blocks,
    plan: GreedyPlan,
    rng: np.random.Generator,
    *,
    patience: int = PATIENCE,
    max_time: float | None = None,
    progress: bool = False,
) -> Found:
    """Find layers one after the other, until validation rows stop gaining by them.

    Raises
    ------
    DataError : a column has one value only.
    FitError : no layer gave a finite loss.
    """
    rows, lengths = Rows(blocks), None
    began, layers, count, stopped_by = time.monotonic(), [], 0, "max_epochs"
    history: dict[str, list] = {"epoch": [], "train": [], "validation": [], "skipped": []}
    best, best_try, frame = np.inf, 0, np.eye(rows.dim)
    with EpochBar(plan.layers, progress) as bar:
        for number in range(plan.layers):
            stretched = _stretched(rows, lengths, plan.marginal)
            own = frame.T if stretched is not None else None
            layer, moved = _layer(rows, plan, number, own, rng)
            if moved or number < 2:
                rows.move(layer)
                frame = layer.basis @ frame
            if stretched is not None or moved or number < 2:
                kept = layer if moved or number < 2 else _standing(rows.dim)
                layers.append(dataclasses.replace(kept, lengths=stretched))
            gain, held_gain, lengths = rows.score(plan.radial and number > 0 and rows.dim > 1)
            train, held = -gain, -held_gain
            history["epoch"].append(number + 1)
            history["train"].append(train)
            history["skipped"].append(rows.dim - moved)
            if not np.isnan(held):
                history["validation"].append(held)
            judged = train if np.isnan(held) else held
            if judged < best:
                best, best_try, count = judged, number + 1, len(layers)
            bar.update(number + 1, train, held)
            if number + 1 - best_try >= patience:
                stopped_by = "patience"
                break
            if max_time is not None and time.monotonic() - began > max_time:
                stopped_by = "max_time"
                break
    if not np.isfinite(best):
        raise FitError(
            "no layer with a finite loss",
            "rows within what the layers reach",
            "leave out rows that are thousands of scales away, or take other tails",
        )
    return Found(layers[:count], best_try, history, stopped_by)


def _stretched(rows: Rows, counted: Counted | None, method: str) -> HostLengths | None:
    """Return what makes lengths normal, and stretch the rows by it; none where nothing would."""
    if counted is None:
        return None
    knots = radial_knots(counted, rows.effective, rows.dim, method)
    if knots is None:
        return None
    rows.move(HostLengths(knots))
    return HostLengths(knots)


def _standing(dim: int) -> HostLayer:
    return HostLayer(np.eye(dim), [UNIT_KNOTS] * dim)


def _layer(
    rows: Rows,
    plan: GreedyPlan,
    number: int,
    own: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[HostLayer, int]:
    """Return the next layer, and how many directions it bends; `own` are those to take, if any."""
    dim, unit = rows.dim, np.eye(rows.dim)
    basis, loc, scale, free = unit, np.zeros(dim), np.ones(dim), dim
    if number == 0:
        loc, scale = _middle(rows.some())
    elif number == 1 or (plan.rotation == "pca" and own is None):
        mean, covariance = rows.moments()
        basis, variances = principal(covariance)
        loc = basis @ mean
        scale = np.sqrt(np.maximum(variances, _LEAST_VARIANCE * variances[0]))
    elif own is not None:
        basis = own
    elif plan.rotation == "sliced":
        free = min(dim, plan.directions or _usual_directions(dim, rows.effective))
        basis = sliced(rows.some(), free, rng)
    elif plan.rotation == "ica":
        basis = independent(rows.some(), rng)
    elif plan.rotation == "dct" and number % 2:
        basis = cosines(plan.shape)  # type: ignore[arg-type]
    else:
        basis = haar(dim, rng)
    grids = (Grid(), Grid(warped=True)) if number == 0 else (Grid(),)
    counted = rows.count(basis[:free], loc[:free], scale[:free], grids)
    shaped = number == 0 and plan.tails != "gaussian"
    wide = int(min(_WIDE_TAIL, max(TAIL_ROWS, _TAIL_SHARE * rows.effective)))
    knots = fit_marginals(
        counted,
        rows.effective,
        method=plan.marginal,
        damping=plan.damping if number > 1 else 0.0,
        settled=number > 1,
        tail_rows=wide if shaped else TAIL_ROWS,
    )
    moved = sum(len(x) > 2 for x, _, _ in knots)
    tails = None
    if shaped:
        knots, tails = tail_shapes(counted[-1], knots, plan.tails)
    knots = [(x * s + m, z, d / s) for (x, z, d), m, s in zip(knots, loc, scale, strict=False)]
    knots = [each if number < 2 or len(each[0]) > 2 else UNIT_KNOTS for each in knots]
    knots += [UNIT_KNOTS] * (dim - free)
    return HostLayer(basis, knots, tails), moved


def _middle(rows: Float[np.ndarray, "dim n"]) -> tuple[np.ndarray, np.ndarray]:
    """Return each column's median and the sd that its quartiles would have if it were normal."""
    low, middle, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=1)
    sd = rows.std(1)
    for j in np.flatnonzero(~(sd > 0)):
        raise DataError(f"column {j} with the single value {middle[j]}", "columns that vary")
    spread = (high - low) / 1.349
    return middle, np.where(spread > 1e-3 * sd, spread, sd)


def _usual_directions(dim: int, rows: float) -> int:
    all_of_them = dim <= _ALL_DIRECTIONS or rows / dim < _ROWS_A_COLUMN
    return dim if all_of_them else _FEW_DIRECTIONS
