"""Rows that stand for a law evenly: one of each of many equal cells of a pool of draws."""

import numpy as np
from jaxtyping import Float, Int


def one_of_each(
    codes: Float[np.ndarray, "m c"],
    values: Float[np.ndarray, "m v"],
    n: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """Return the places of n rows of a pool, each row as likely as any other, evenly spread.

    Every combination of codes gets its share of the n, rounded up or down at random. Its rows
    are cut into so many equal cells, those of a k-d tree: a part is cut across the value in which
    it is widest (by its sd). A row of each cell is picked. A picked row has the pool's law;
    jointly they are spread more evenly than independent rows. In random order. Cost O(m log m).

    Source cochran1977sampling, bentley1975kdtree
    """
    group = np.zeros(len(codes), int)
    if codes.shape[1]:
        group = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    sizes = np.bincount(group)
    ends = np.floor(np.cumsum(sizes) * (n / len(codes)) + rng.random())
    order = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    kept = []
    for places, count in zip(order, np.diff(ends, prepend=0).astype(int), strict=True):
        if count:
            size = len(places) // count
            some = rng.permutation(places)[: size * count]
            kept.extend(rng.choice(cell) for cell in _cells(values, some, int(count)))
    return rng.permutation(np.array(kept, int))


def _cells(values: np.ndarray, places: np.ndarray, count: int) -> list[np.ndarray]:
    """Cut rows into cells of equal numbers of rows; equal rows fall in any order."""
    size, cells, parts = len(places) // count, [], [(places, count)]
    while parts:
        own, k = parts.pop()
        if k == 1 or not values.shape[1]:
            cells.extend(np.split(own, k))
            continue
        rows = values[own]
        own = own[np.argsort(rows[:, np.argmax(rows.std(0))], kind="stable")]
        parts += [(own[: k // 2 * size], k // 2), (own[k // 2 * size :], k - k // 2)]
    return cells
