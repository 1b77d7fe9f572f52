"""Estimates from nearest neighbours, row by row: no model, and no bias where there is nothing."""

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from scipy.special import digamma

_TREE_COLUMNS = 12
"""Columns beyond which a tree looks at every row anyway, and at no gain."""

_BLOCK = 256
"""Rows whose distances to all others are held at a time."""

_ROUNDING = 1e-12
"""Relative rounding of a distance: the k-th neighbour itself is no closer than itself."""

Rows = Float[np.ndarray, "dim n"]


def neighbour_entropy(x: Float[np.ndarray, " n"], k: int) -> Float[np.ndarray, " n"]:
    """Return each row's term of the entropy of one column, in nats: their mean is the estimate.

    ψ(n) − ψ(k) + log 2r_i, with r_i the distance to the k-th neighbour. Equal rows give −∞.

    Source kozachenko1987
    """
    n, order = len(x), np.argsort(x)
    s = np.concatenate([np.full(k, -np.inf), x[order], np.full(k, np.inf)])
    # The k-th neighbour ends one of the k + 1 windows of k steps that hold the row.
    reach = np.full(n, np.inf)
    for left in range(k + 1):
        low, high = s[k - left : k - left + n], s[2 * k - left : 2 * k - left + n]
        reach = np.minimum(reach, np.maximum(s[k : k + n] - low, high - s[k : k + n]))
    out = np.empty(n)
    with np.errstate(divide="ignore"):
        out[order] = digamma(n) - digamma(k) + np.log(2 * reach)
    return out


def neighbour_total_correlation(x: Rows, k: int) -> Float[np.ndarray, " n"]:
    """Return each row's term of the total correlation in nats: their mean is the estimate.

    ψ(k) + (d − 1) ψ(n) − Σ_j ψ(n_ij + 1), where n_ij rows are closer to row i in column j than its
    k-th neighbour is by the largest difference. For independent columns its mean is zero.

    Cost O(dim n log n) for few columns, O(dim n²) for many. Source kraskov2004
    """
    dim, n = x.shape
    if dim == 1:
        return np.zeros(n)
    reach = _reach(x, k)
    total = np.full(n, digamma(k) + (dim - 1) * digamma(n))
    for column in x:
        s = np.sort(column)
        within = reach - _ROUNDING * (np.abs(column) + reach)
        first = np.searchsorted(s, column - within, "left")
        last = np.searchsorted(s, column + within, "right")
        total -= digamma(np.maximum(last - first, 1))
    return total


def _reach(x: Rows, k: int) -> Float[np.ndarray, " n"]:
    """Return the distance to the k-th neighbour, by the largest difference of any column."""
    if len(x) <= _TREE_COLUMNS:
        return KDTree(x.T).query(x.T, k + 1, p=np.inf, workers=-1)[0][:, k]
    reach, work = np.empty(x.shape[1]), None
    for start in range(0, x.shape[1], _BLOCK):
        block = x[:, start : start + _BLOCK]
        work = np.zeros((block.shape[1], x.shape[1]))
        for own, column in zip(block, x, strict=True):
            np.maximum(work, np.abs(own[:, None] - column), out=work)
        reach[start : start + _BLOCK] = np.partition(work, k, axis=1)[:, k]
    return reach
