"""Rows kept in memory for a greedy fit, moved on layer by layer."""

import numpy as np
from jaxtyping import Float

from pushforward.core.numerics import LOG_2PI
from pushforward.fitting.greedy import Rows
from pushforward.fitting.grid import Grid
from pushforward.fitting.layers import HostLayer, HostLengths
from pushforward.fitting.lengths import normal_lengths
from pushforward.fitting.marginals import Counted

_SOME = 20_000
"""Training rows that directions are chosen by."""


class RowsInMemory(Rows):
    """Hold training and validation rows, features first, and what volume they have changed by.

    Parameters
    ----------
    train, held : rows (n, dim) in the space of the first layer; `held` may be none.
    weights, held_weights : one per row.
    """

    def __init__(
        self,
        train: Float[np.ndarray, "n dim"],
        weights: Float[np.ndarray, " n"],
        held: Float[np.ndarray, "m dim"] | None = None,
        held_weights: Float[np.ndarray, " m"] | None = None,
    ):
        empty = np.empty((0, train.shape[1])), np.empty(0)
        held, held_weights = empty if held is None or held_weights is None else (held, held_weights)
        self.x = np.concatenate([train, held]).T.astype(np.float64)
        self.weights = np.concatenate([weights, held_weights])
        self.n, self.dim = train.shape
        self.volume = np.zeros(self.x.shape[1])
        self.effective = float(weights.sum() ** 2 / (weights**2).sum())

    @property
    def train(self) -> Float[np.ndarray, "dim n"]:
        return self.x[:, : self.n]

    def some(self) -> Float[np.ndarray, "dim m"]:
        weights = self.weights[: self.n]
        if self.n <= _SOME and np.ptp(weights) == 0:
            return self.train
        rng = np.random.default_rng(0)
        size = min(self.n, _SOME)
        return self.train[:, rng.choice(self.n, size, p=weights / weights.sum())]

    def moments(self) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "dim dim"]]:
        weights = self.weights[: self.n] / self.weights[: self.n].sum()
        mean = self.train @ weights
        centred = self.train - mean[:, None]
        return mean, (centred * weights) @ centred.T

    def count(
        self, basis: np.ndarray, loc: np.ndarray, scale: np.ndarray, grids: tuple[Grid, ...]
    ) -> list[Counted]:
        u = (basis @ self.train - loc[:, None]) / scale[:, None]
        weights = self.weights[: self.n]
        given = None if np.ptp(weights) == 0 else weights
        return [Counted(grid, grid.count(u, given)) for grid in grids]

    def count_lengths(self) -> Counted:
        weights = self.weights[: self.n]
        given = None if np.ptp(weights) == 0 else weights
        return Counted(Grid(), Grid().count(normal_lengths(self.train), given))

    def move(self, step: HostLayer | HostLengths) -> None:
        self.x, change = step.move(self.x)
        self.volume += change

    def score(self) -> tuple[float, float]:
        each = self.volume - 0.5 * ((self.x**2).sum(0) + self.dim * LOG_2PI)
        train = np.average(each[: self.n], weights=self.weights[: self.n])
        if self.n == len(each):
            return float(train), float("nan")
        return float(train), float(np.average(each[self.n :], weights=self.weights[self.n :]))
