"""A fixed grid on which rows of any number are counted: exact to merge, whatever the order."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Num
from scipy.special import ndtr

from pushforward.native.host import count, serves

CELLS = 4096
HALF_WIDTH = 8.0
"""A grid of standardized values reaches so far to either side; what lies beyond counts as at its
end."""

CELL = 2 * HALF_WIDTH / CELLS
"""Width of a cell."""

_COARSE = 512
"""Cells of the grid on which bandwidths are compared: an eighth of the work."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """Count standardized values u in equal cells of w, on [−8, 8].

    Parameters
    ----------
    warped : w = arcsinh(u), which reaches 1,490 scales to either side; else w = u.
    """

    warped: bool = False

    def count(
        self, u: Float[np.ndarray, "dim n"], weights: Float[np.ndarray, " n"] | None = None
    ) -> Num[np.ndarray, "dim cells"]:
        """Return how many rows, or how much weight, each cell of each column holds."""
        if serves(u):
            return np.stack([count(c, weights, HALF_WIDTH, CELLS, self.warped) for c in u])
        w = np.arcsinh(u) if self.warped else u
        places = np.clip((w + HALF_WIDTH) * (CELLS / (2 * HALF_WIDTH)), 0, CELLS - 1)
        return np.stack([np.bincount(c, weights, CELLS) for c in places.astype(np.intp)])

    def unwarped(self, w: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """Return the standardized values at places w of the grid."""
        return np.sinh(w) if self.warped else w

    def log_slope(self, w: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """Return log dw/du at places w."""
        return -np.log(np.cosh(w)) if self.warped else np.zeros_like(w)


def middles(cells: int = CELLS) -> Float[np.ndarray, " cells"]:
    """Return the middle of each cell."""
    width = 2 * HALF_WIDTH / cells
    return -HALF_WIDTH + width * (np.arange(cells) + 0.5)


def coarse(counts: Num[np.ndarray, "dim cells"]) -> Float[np.ndarray, "dim fewer"]:
    """Return the counts of fewer, wider cells."""
    dim, cells = counts.shape
    return counts.reshape(dim, _COARSE, cells // _COARSE).sum(2).astype(float)


def smoothed(
    counts: Num[np.ndarray, "dim cells"], bandwidth: float
) -> tuple[Float[np.ndarray, "dim cells"], Float[np.ndarray, "dim cells"]]:
    """Return the kernel estimate's distribution function and density at the cells' middles.

    F(w) = Σ_i c_i Φ((w − w_i)/h) / n,   f(w) = Σ_i c_i φ((w − w_i)/h) / (n h),
    by a Fourier transform of the counts.

    Source silverman1986
    """
    cells = counts.shape[1]
    spectrum = np.fft.rfft(counts, 4 * cells)
    total = counts.sum(1, keepdims=True)
    each = (np.fft.irfft(spectrum * k, 4 * cells) for k in _kernels(cells, bandwidth))
    cdf, density = (part[:, cells : 2 * cells] / total for part in each)
    return np.clip(cdf, 0, 1), np.maximum(density, 0)


@functools.lru_cache(64)
def _kernels(cells: int, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(-cells, cells + 1) * (2 * HALF_WIDTH / cells) / bandwidth
    density = np.exp(-0.5 * steps * steps) / (np.sqrt(2 * np.pi) * bandwidth)
    return np.fft.rfft(ndtr(steps), 4 * cells), np.fft.rfft(density, 4 * cells)


def mixture_curves(
    counts: Num[np.ndarray, " cells"], components: int = 8, steps: int = 100
) -> tuple[Float[np.ndarray, " cells"], Float[np.ndarray, " cells"]]:
    """Return distribution function and density of a Gaussian mixture at the cells' middles.

    Found by EM, from components at equal steps of probability.

    Source dempster1977em
    """
    total, rough = counts.sum(), coarse(counts[None])[0]
    places, share = middles(_COARSE), rough / total
    ends = np.interp((np.arange(components) + 0.5) / components, np.cumsum(share), places)
    mean, sd = ends[:, None], np.full((components, 1), np.ptp(ends) / components + CELL)
    weight = np.full((components, 1), 1 / components)
    for _ in range(steps):
        each = weight * np.exp(-0.5 * ((places - mean) / sd) ** 2) / sd
        part = share * each / np.maximum(each.sum(0), np.finfo(float).tiny)
        mass = np.maximum(part.sum(1, keepdims=True), np.finfo(float).tiny)
        mean = (part * places).sum(1, keepdims=True) / mass
        sd = np.sqrt((part * (places - mean) ** 2).sum(1, keepdims=True) / mass + CELL**2)
        weight = mass
    t = (middles() - mean) / sd
    density = weight * np.exp(-0.5 * t * t) / (np.sqrt(2 * np.pi) * sd)
    return (weight * ndtr(t)).sum(0), density.sum(0)
