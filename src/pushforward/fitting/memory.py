"""Rows kept in memory for a greedy fit, moved on layer by layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pushforward.fitting.blocks import Ask, Block, Blocks, Step, Sums, added, block_rows
from pushforward.fitting.threads import in_threads

SOME = 20_000
"""Training rows that directions are chosen by."""


class BlocksInMemory(Blocks):
    """Hold training and validation rows in blocks; threads share them.

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
        n, self.dim = train.shape
        own = None if _same(weights) and _same(held_weights) else weights
        self._blocks = _cut(train, own, training=True)
        if held is not None and len(held):
            self._blocks += _cut(held, None if own is None else held_weights, training=False)
        self.effective = float(weights.sum() ** 2 / (weights**2).sum())
        self._chosen = None
        if n > SOME or own is not None:
            rng, share = np.random.default_rng(0), weights / weights.sum()
            self._chosen = np.sort(rng.choice(n, min(n, SOME), p=None if own is None else share))

    def total(self, steps: Sequence[Step], ask: Ask, keep: bool) -> Sums:
        def of(place: int) -> Sums:
            block = self._blocks[place].moved(steps)
            if keep:
                self._blocks[place] = block
            return ask(block)

        places = range(len(self._blocks))
        return of(0) if len(places) == 1 else added(in_threads(of, places))

    def some(self) -> Block:
        train = [block for block in self._blocks if block.n_train]
        if self._chosen is None:
            x = np.concatenate([block.x for block in train], 1) if train[1:] else train[0].x
        else:
            size = train[0].n_train
            own = np.split(
                self._chosen, np.searchsorted(self._chosen, size * np.arange(1, len(train)))
            )
            parts = zip(train, own, strict=True)
            x = np.concatenate([block.x[:, rows % size] for block, rows in parts], 1)
        return Block(x, np.zeros(x.shape[1]), None, x.shape[1])


def _same(weights: np.ndarray | None) -> bool:
    return weights is None or len(weights) == 0 or bool(np.ptp(weights) == 0)


def _cut(rows: np.ndarray, weights: np.ndarray | None, training: bool) -> list[Block]:
    """Return blocks of rows."""
    size, blocks = block_rows(rows.shape[1]), []
    for first in range(0, len(rows), size):
        x = np.ascontiguousarray(rows[first : first + size].T, np.float64)
        n = x.shape[1]
        own = None if weights is None else np.asarray(weights[first : first + n], np.float64)
        blocks.append(Block(x, np.zeros(n), own, n if training else 0))
    return blocks
