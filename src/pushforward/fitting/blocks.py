"""Rows in fixed blocks, and the sums that a search of layers asks of them."""

import abc
import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float

from pushforward.core.numerics import LOG_2PI
from pushforward.fitting.grid import Grid
from pushforward.fitting.layers import HostLayer, HostLengths
from pushforward.fitting.lengths import count_lengths

_BLOCK_CELLS, _BLOCK_ROWS = 2**21, (2**10, 2**17)
"""Numbers in a block, and its rows: what a core works on at a time, eight times over."""

Step = HostLayer | HostLengths
Sums = list[np.ndarray]


def block_rows(dim: int) -> int:
    """Return how many rows a block has: a power of two that dim alone decides."""
    low, high = _BLOCK_ROWS
    return int(np.clip(2 ** int(np.log2(max(_BLOCK_CELLS / dim, 1))), low, high))


@dataclasses.dataclass(frozen=True)
class Block:
    """Hold rows, features first, and the log of what volume they have changed by.

    Parameters
    ----------
    weights : one per row, or none where all count the same.
    n_train : so many are training rows, those after them validation rows.
    """

    x: Float[np.ndarray, "dim n"]
    volume: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"] | None
    n_train: int

    def moved(self, steps: Iterable[Step]) -> "Block":
        """Return the block after layers and maps of lengths."""
        x, volume = self.x, self.volume
        for step in steps:
            x, change = step.move(x)
            volume = volume + change
        return dataclasses.replace(self, x=x, volume=volume)

    @property
    def train(self) -> Float[np.ndarray, "dim m"]:
        return self.x[:, : self.n_train]

    @property
    def train_weights(self) -> Float[np.ndarray, " m"] | None:
        return None if self.weights is None else self.weights[: self.n_train]

    def moments(self) -> Sums:
        """Return Σ w, Σ w x and Σ w x xᵀ of the training rows."""
        x, w = self.train, self.train_weights
        weighted = x if w is None else x * w
        total = self.n_train if w is None else w.sum()
        return [np.array([total], np.float64), weighted.sum(1), weighted @ x.T]

    def counts(
        self, basis: np.ndarray, loc: np.ndarray, scale: np.ndarray, grids: tuple[Grid, ...]
    ) -> Sums:
        """Return counts of (q_jᵀ x − loc_j)/scale_j of the training rows, per grid."""
        u = basis @ self.train
        u -= loc[:, None]
        u /= scale[:, None]
        return [grid.count(u, self.train_weights) for grid in grids]

    def scores(self, lengths: bool) -> Sums:
        """Return Σ w log-likelihood and Σ w of training and of validation rows.

        With `lengths` also the counts of the training rows' lengths as normal scores.
        """
        each = self.volume - 0.5 * (np.einsum("ij,ij->j", self.x, self.x) + len(self.x) * LOG_2PI)
        w = np.ones(len(each)) if self.weights is None else self.weights
        n = self.n_train
        sums = [(w[:n] * each[:n]).sum(), w[:n].sum(), (w[n:] * each[n:]).sum(), w[n:].sum()]
        counted = [count_lengths(self.train, self.train_weights)] if lengths else []
        return [np.array(sums), *counted]


Ask = Callable[[Block], Sums]


class Blocks(abc.ABC):
    """Hold blocks of rows somewhere. Sums are taken in the order of the blocks.

    `dim` is the rows' size, `effective` the number of training rows, (Σw)²/Σw² of weighted ones.
    """

    dim: int
    effective: float

    @abc.abstractmethod
    def total(self, steps: Sequence[Step], ask: Ask, keep: bool) -> Sums:
        """Return the sum of what is asked of each block after steps; `keep` moves it there."""

    @abc.abstractmethod
    def some(self) -> Block:
        """Return training rows as they were last kept: all, or a fixed choice of many."""


def added(parts: Iterable[Sums]) -> Sums:
    """Return the sums of sums, in their order."""
    return functools.reduce(lambda a, b: [x + y for x, y in zip(a, b, strict=True)], parts)
