"""F2: linear maps of vectors. A matrix scales volumes by |det A|, and densities by 1/|det A|."""

import sys
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

import pushforward as pf
from pushforward.densities import StandardNormal, StudentT, Uniform
from pushforward.transforms import Matrix

A = np.array([[1.5, 0.8], [-0.4, -1.2]])
BASES = {
    "unit square": Uniform([0.0, 0.0], [1.0, 1.0]),
    "standard normal": StandardNormal(2),
    "Student-t, 3 degrees of freedom": StudentT(2, 3.0),
}


def main(folder: Path, epochs: int = 0) -> dict:
    """Push three base densities through one matrix; measure the parallelotope's volume."""
    rng = np.random.default_rng(0)
    models = {name: pf.Pushforward(Matrix(A), base) for name, base in BASES.items()}

    # The share of a box that the parallelogram fills, by where its density is not zero.
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ A.T
    low, high = corners.min(0), corners.max(0)
    log_p = np.asarray(models["unit square"].log_prob(rng.uniform(low, high, (200_000, 2))))
    volume = np.isfinite(log_p).mean() * np.prod(high - low)

    rows = rng.normal(size=(200, 2)) @ A.T
    oracle = stats.multivariate_normal(np.zeros(2), A @ A.T).logpdf(rows)
    gap = np.abs(np.asarray(models["standard normal"].log_prob(rows)) - oracle).max()

    figure = Figure(figsize=(9, 3))
    side = np.linspace(-4, 4, 300)
    grid = np.stack(np.meshgrid(side, side), -1)
    for k, (name, model) in enumerate(models.items()):
        axes = figure.add_subplot(1, 3, k + 1)
        axes.contourf(side, side, np.exp(np.asarray(model.log_prob(grid))), 12, cmap="magma_r")
        drawn = np.asarray(model.sample(jax.random.key(k), 400))
        axes.scatter(*drawn.T, s=1.5, color="#1f6f8b")
        axes.set(title=name, xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F2_linear_maps.png", dpi=110)
    return {
        "|det A|": float(abs(np.linalg.det(A))),
        "volume of the parallelotope, measured": float(volume),
        "density inside it": float(np.exp(log_p.max())),
        "largest difference from N(0, A Aᵀ)": float(gap),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
