"""Laws in the plane whose density is known: each gives samples and log p."""

import numpy as np
from scipy import stats
from scipy.special import logsumexp


class Moons:
    """Two half circles blurred by a Gaussian; the density is an integral over the angle."""

    sd = 0.1

    def sample(self, rng, n):
        arc = _arcs(rng.uniform(0, np.pi, n))
        side = rng.integers(0, 2, n)
        return arc[side, np.arange(n)] + self.sd * rng.standard_normal((n, 2))

    def log_prob(self, x):
        # Gauss-Legendre nodes at most a third of the sd apart: the integrand is entire, so the
        # rule is exact to rounding.
        node, weight = np.polynomial.legendre.leggauss(160)
        centres = _arcs((node + 1) * np.pi / 2).reshape(-1, 2)
        share = np.tile(weight / 4, 2)
        out = [
            logsumexp(-0.5 * ((part[:, None] - centres) ** 2).sum(-1) / self.sd**2, 1, share)
            for part in np.array_split(x, max(1, len(x) // 1000))
        ]
        return np.concatenate(out) - np.log(2 * np.pi * self.sd**2)


class EightGaussians:
    """Eight equal normals on a circle of radius 2."""

    sd = 0.2

    def __init__(self):
        angle = np.arange(8) * np.pi / 4
        self.centres = 2 * np.stack([np.cos(angle), np.sin(angle)], 1)

    def sample(self, rng, n):
        return self.centres[rng.integers(0, 8, n)] + self.sd * rng.standard_normal((n, 2))

    def log_prob(self, x):
        square = ((x[:, None] - self.centres) ** 2).sum(-1)
        return (
            logsumexp(-0.5 * square / self.sd**2, axis=1)
            - np.log(8)
            - np.log(2 * np.pi * self.sd**2)
        )


class Rings:
    """Two rings: radius normal around 1 or 2.5, angle uniform; p(x) = p(r)/(2πr)."""

    sd = 0.15

    def sample(self, rng, n):
        radius = rng.choice([1.0, 2.5], n) + self.sd * rng.standard_normal(n)
        angle = rng.uniform(0, 2 * np.pi, n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)

    def log_prob(self, x):
        r = np.linalg.norm(x, axis=1)
        parts = [stats.norm.logpdf(r, centre, self.sd) for centre in (1.0, 2.5)]
        # A negative radius (6.7 sd) folds over with probability 1e-11: left out.
        return logsumexp(parts, axis=0) - np.log(2) - np.log(2 * np.pi * r)


class Checkerboard:
    """Uniform on every other unit square of a 4 × 4 board: density 1/8."""

    def sample(self, rng, n):
        row, half = rng.integers(0, 4, n), rng.integers(0, 2, n)
        column = 2 * half + row % 2
        return np.stack([column, row], 1) - 2 + rng.uniform(size=(n, 2))

    def log_prob(self, x):
        cell = np.floor(x + 2).astype(int)
        inside = ((cell >= 0) & (cell < 4)).all(1) & ((cell.sum(1) % 2) == 0)
        return np.where(inside, -np.log(8.0), -np.inf)


def _arcs(angle):
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], -1)
    lower = np.stack([0.5 - np.cos(angle), 0.25 - np.sin(angle)], -1)
    return np.stack([upper, lower])


PLANAR = {
    "moons": Moons(),
    "eight_gaussians": EightGaussians(),
    "rings": Rings(),
    "checkerboard": Checkerboard(),
}
