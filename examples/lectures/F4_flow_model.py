"""F4: a flow model. An exact density; the latent is read off by the inverse, nothing is lost."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import pushforward as pf


def whiteness(rows: np.ndarray) -> float:
    """Return the largest gap between the share of rows in a circle and that of a normal."""
    inside = np.sort((rows**2).sum(1))
    expected = 1 - np.exp(-inside / 2)
    return float(np.abs(expected - np.linspace(0, 1, len(rows))).max())


def main(folder: Path, epochs: int = 40) -> dict:
    """Fit a flow, read the latents off, and look whether they are normal."""
    rows = make_moons(6000, noise=0.08, random_state=0)[0]
    rows = ((rows - rows.mean(0)) / rows.std(0)).astype(np.float32)
    learn, fresh = rows[:4000], rows[4000:]
    flow = pf.models.nsf(2, key=jax.random.key(0))
    model = pf.fit(flow, learn, key=jax.random.key(1), max_epochs=epochs).model

    # One pass of the inverse map is all the inference there is; as many numbers out as in.
    z, dlogp = model.transform.inverse(fresh.T)
    back, _ = model.transform.forward(z)
    latent = np.asarray(z).T
    assert latent.shape == fresh.shape

    # The exact log p(x; θ) of one row from the whole Jacobian of the inverse map.
    few = jnp.asarray(fresh[:50])
    jacobians = jax.jit(jax.vmap(jax.jacobian(lambda x: model.transform.inverse(x)[0])))(few)
    base = model.density.log_prob(latent[:50])
    by_jacobian = np.asarray(base) + np.linalg.slogdet(np.asarray(jacobians))[1]
    gap = np.abs(by_jacobian - np.asarray(model.log_prob(few))).max()

    figure = Figure(figsize=(9, 3))
    colour = np.arctan2(*fresh.T)
    panels = (("data x", fresh), ("latent z = f⁻¹(x)", latent), ("back again: f(z)", back.T))
    for k, (title, points) in enumerate(panels):
        axes = figure.add_subplot(1, 3, k + 1)
        axes.scatter(*np.asarray(points).T, s=1.5, c=colour, cmap="twilight")
        axes.set(title=title, xlim=(-3.3, 3.3), ylim=(-3.3, 3.3), xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F4_flow_model.png", dpi=110)
    return {
        "distance from the normal, data": whiteness(fresh),
        "distance from the normal, latents": whiteness(latent),
        "largest difference of a row and f(f⁻¹(row))": float(np.abs(back.T - fresh).max()),
        "largest difference of log p by the whole Jacobian": float(gap),
        "nats per fresh row": float(np.asarray(model.density.log_prob(latent) + dlogp).mean()),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
