"""F1: change of variables in one dimension. The density is stretched as much as the line is."""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf
from pushforward.densities import Uniform
from pushforward.transforms import Affine, Exp, SignedAffine

MAPS = {
    "X = 4Z": (Affine(0.0, 4.0), lambda x: x / 4),
    "X = exp Z": (Exp(), np.log),
    "X = 2Z + 1": (Affine(1.0, 2.0), lambda x: (x - 1) / 2),
    "X = −3Z + 1": (SignedAffine(1.0, -3.0), lambda x: (1 - x) / 3),
}
"""The maps, and their inverses h by hand."""


def main(folder: Path, epochs: int = 0) -> dict:
    """Push Z ~ U[0, 2] through four maps; compare with the derivative of the distribution."""
    z = Uniform(0.0, 2.0)
    figure = Figure(figsize=(11, 2.6))
    gaps = []
    for k, (title, (transform, h)) in enumerate(MAPS.items()):
        model = pf.Pushforward(transform, z)
        ends = np.asarray(transform.forward(jnp.array([[0.0, 2.0]]))[0])[0]
        x = np.linspace(ends.min(), ends.max(), 402)[1:-1]
        density = np.exp(np.asarray(model.log_prob(x[:, None])))
        # P(X ≤ x) = P(Z ≤ h(x)), or P(Z ≥ h(x)) where the map falls; p_X is its derivative.
        below = np.clip(h(x) / 2, 0, 1)
        distribution = below if ends[0] < ends[1] else 1 - below
        slope = np.gradient(distribution, x, edge_order=2)
        gaps.append(np.abs(density - slope)[2:-2].max())
        outside = np.asarray(model.log_prob(np.array([[ends.min() - 0.1], [ends.max() + 0.1]])))
        assert (outside == -np.inf).all()

        drawn = jnp.asarray(np.random.default_rng(k).uniform(0, 2, (1, 20_000)))
        samples = np.asarray(transform.forward(drawn)[0])[0]
        axes = figure.add_subplot(1, len(MAPS), k + 1)
        axes.hist(samples, 40, density=True, color="#c9dfe6")
        axes.plot(x, density, color="#d1603d")
        axes.set(title=title, ylim=(0, None), xlabel="x")
    figure.tight_layout()
    figure.savefig(folder / "F1_change_of_variables.png", dpi=110)

    by_four = pf.Pushforward(MAPS["X = 4Z"][0], z)
    return {
        "density of 4Z at 4": float(np.exp(by_four.log_prob(np.array([4.0])))),
        "the naive answer p_Z(4/4), without the slope": float(np.exp(z.log_prob(np.array([1.0])))),
        "density of exp Z at 4, which is 1/(2·4)": float(
            np.exp(pf.Pushforward(Exp(), z).log_prob(np.array([4.0])))
        ),
        "largest difference of density and slope of the distribution": float(max(gaps)),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
