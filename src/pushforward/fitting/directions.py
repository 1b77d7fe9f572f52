"""Directions along which a layer looks at its rows: orthonormal, the most telling first."""

import warnings

import numpy as np
from jaxtyping import Float
from scipy.fft import dct
from scipy.special import ndtri

Rows = Float[np.ndarray, "dim n"]
Basis = Float[np.ndarray, "dim dim"]

_ROWS = 4000
"""Rows that directions are learned from: more change them little."""

_ICA_STEPS = 30
"""Steps of FastICA at most: a basis that has not quite settled serves as well."""

_STEPS, _FIRST_RATE, _HALVINGS, _STILL = 60, 0.1, 8, 1e-4
"""Ascent steps on the sliced distance, and when it rests (Dai and Seljak's constants)."""


def haar(dim: int, rng: np.random.Generator) -> Basis:
    """Return a rotation drawn uniformly: QR of a normal matrix, signs by R's diagonal.

    Source mezzadri2007
    """
    q, r = np.linalg.qr(rng.normal(size=(dim, dim)))
    return (q * np.sign(np.diag(r))).T


def principal(covariance: Float[np.ndarray, "dim dim"]) -> tuple[Basis, Float[np.ndarray, " dim"]]:
    """Return principal components, the longest first, and their variances.

    Each component's largest entry is positive, so that equal rows give equal components.
    """
    variances, vectors = np.linalg.eigh(covariance)
    basis = vectors[:, ::-1].T
    leading = np.take_along_axis(basis, np.abs(basis).argmax(1)[:, None], 1)
    return basis * np.sign(leading), variances[::-1]


def independent(rows: Rows, rng: np.random.Generator) -> Basis:
    """Return the orthonormal basis nearest to independent components (FastICA).

    Source hyvarinen1999
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # any basis will do: less may be gained
        seed = int(rng.integers(2**31))
        ica = FastICA(whiten="unit-variance", max_iter=_ICA_STEPS, random_state=seed)
        unmixing = ica.fit(_some(rows, rng).T).components_
    u, _, v = np.linalg.svd(unmixing)
    return u @ v


def sliced(rows: Rows, count: int, rng: np.random.Generator) -> Basis:
    r"""Return directions that are farthest from normal together, completed to a basis.

    Σ_k W₂²(a_kᵀ x, N(0, 1)) with a_k orthonormal is climbed along geodesics' Cayley
    approximation, with backtracking. W₂² of one direction is the mean squared distance of its
    sorted values to normal quantiles.

    Source dai2021sinf
    """
    dim = len(rows)
    rows = _some(rows, rng)
    target = ndtri((np.arange(rows.shape[1]) + 0.5) / rows.shape[1])
    frame, unit, rate = haar(dim, rng)[:, :count], np.eye(dim), _FIRST_RATE
    distance, slope = _distance(rows, frame, target)
    for _ in range(_STEPS):
        skew = slope @ frame.T - frame @ slope.T
        for _ in range(_HALVINGS):
            moved = np.linalg.solve(unit - rate / 2 * skew, (unit + rate / 2 * skew) @ frame)
            further, next_slope = _distance(rows, moved, target)
            if further >= distance:
                break
            rate /= 2
        else:
            break
        step = np.abs(moved - frame).max()
        frame, distance, slope, rate = moved, further, next_slope, 1.5 * rate
        if step < _STILL:
            break
    q, r = np.linalg.qr(np.concatenate([frame, rng.normal(size=(dim, dim - count))], 1))
    return (q * np.sign(np.diag(r))).T


def _some(rows: Rows, rng: np.random.Generator) -> Float[np.ndarray, "dim m"]:
    n = rows.shape[1]
    return rows if n <= _ROWS else rows[:, rng.choice(n, _ROWS, replace=False)]


def _distance(rows: Rows, frame: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return Σ_k W₂² along a frame's columns, and its gradient."""
    along = frame.T @ rows
    order = np.argsort(along, axis=1)
    off = np.take_along_axis(along, order, 1) - target
    slope = np.empty_like(along)
    np.put_along_axis(slope, order, 2 * off / rows.shape[1], 1)
    return float((off * off).mean(1).sum()), rows @ slope.T


def cosines(shape: tuple[int, int, int]) -> Basis:
    """Return the basis of the two-dimensional cosine transform of each channel of an image."""
    channels, height, width = shape
    rows, columns = (
        np.asarray(dct(np.eye(size), norm="ortho", axis=0)) for size in (height, width)
    )
    return np.kron(np.eye(channels), np.kron(rows, columns))
