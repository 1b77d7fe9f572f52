"""Points that fill the unit cube evenly."""

import numpy as np
from jaxtyping import Float


def lattice(count: int, dim: int) -> Float[np.ndarray, "count dim"]:
    """Return points of the unit cube that lie evenly, symmetric about its centre.

    The first axis is evenly spaced; the others advance by powers of the generalized golden ratio
    (the root of g^(d+1) = g + 1), whose multiples spread evenly.
    """
    places = np.arange(count)[:, None]
    steps = _golden(dim) ** -np.arange(1.0, dim)
    first = (places + 0.5) / count
    return np.concatenate([first, (0.5 + (places - (count - 1) / 2) * steps) % 1.0], 1)


def _golden(dim: int) -> float:
    value = 1.5
    for _ in range(60):
        value = (1 + value) ** (1 / (dim + 1))
    return value
