"""F5: a composition of M maps. Log-determinants add up; samples, layer by layer."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import pushforward as pf


def main(folder: Path, epochs: int = 40) -> dict:
    """Fit a flow to two moons, follow samples through its layers, check that log-dets add."""
    rows = make_moons(4000, noise=0.08, random_state=0)[0]
    rows = (rows - rows.mean(0)) / rows.std(0)
    flow = pf.models.nsf(2, key=jax.random.key(0), layers=4)
    fitted = pf.fit(flow, rows, key=jax.random.key(1), max_epochs=epochs).model

    z = np.asarray(fitted.density.sample(jax.random.key(2), 2000)).T
    stages, total, x = [z], jnp.zeros(2000), jnp.asarray(z)
    for layer in fitted.transform.unstack().parts:
        x, dlogp = layer.forward(x)
        total = total + dlogp
        stages.append(np.asarray(x))
    whole = fitted.transform.forward(jnp.asarray(z))[1]
    gap = float(jnp.abs(total - whole).max())

    figure = Figure(figsize=(2.4 * len(stages), 2.6))
    titles = ["latent z", *[f"after layer {i}" for i in range(1, len(stages))]]
    for k, (stage, title) in enumerate(zip(stages, titles, strict=True)):
        axes = figure.add_subplot(1, len(stages), k + 1)
        axes.scatter(*stage, s=2, c=np.arctan2(z[1], z[0]), cmap="twilight")
        axes.set(title=title, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F5_composition.png", dpi=110)
    return {"largest difference of the two log-determinants": gap}


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
