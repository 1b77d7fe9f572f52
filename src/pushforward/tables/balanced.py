"""Rows that stand for a law evenly: one of each of many equal cells of a pool of draws."""

import numpy as np
from jaxtyping import Float, Int

POOL = 32
"""Draws for each row that is kept."""


def one_of_each(
    pool: Float[np.ndarray, "m dim"], n: int, rng: np.random.Generator
) -> Int[np.ndarray, " n"]:
    """Cut a pool of n equal parts' size into n cells, and return the place of a row of each.

    The cells are those of a k-d tree: a part is cut across the column in which it is widest (by
    its sd), until its share of the pool is one cell. A row of each cell is picked evenly, so that
    each row of the pool is as likely to be kept: a kept row has the pool's law. Jointly they are
    spread more evenly than independent rows. In random order. Cost O(m log n).

    Source cochran1977sampling, bentley1975kdtree
    """
    kept, size = [], len(pool) // n
    parts = [(np.arange(size * n), n)]
    while parts:
        places, count = parts.pop()
        if count == 1:
            kept.append(places[rng.integers(size)])
            continue
        widest = pool[places, np.argmax(pool[places].std(0))]
        # Where many rows are equal, which of them come first must not hang on their places.
        order = np.lexsort((rng.random(len(places)), widest))
        cut = count // 2
        parts += [(places[order[: cut * size]], cut), (places[order[cut * size :]], count - cut)]
    return rng.permutation(np.array(kept, int))
