"""F7: maximum likelihood by SGD; likelihood by the inverse map, samples by the forward map."""

import sys
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import pushforward as pf

TABLE = Path(__file__).parents[1] / "data" / "california.parquet"


def main(folder: Path, epochs: int = 40, rows_of_table: int = 4000) -> dict:
    """Learn two moons with the core, and a real table with the estimator."""
    moons = make_moons(6000, noise=0.08, random_state=0)[0]
    moons = (moons - moons.mean(0)) / moons.std(0)
    learn, fresh = moons[:4000], moons[4000:]
    flow = pf.models.nsf(2, key=jax.random.key(0))
    fitted = pf.fit(flow, learn, key=jax.random.key(1), max_epochs=epochs)
    model = fitted.model

    # The likelihood needs the inverse map only, sampling the forward map only.
    z, dlogp = model.transform.inverse(fresh.T.astype(np.float32))
    by_hand = model.density.log_prob(np.asarray(z).T) + dlogp
    gap = float(np.abs(np.asarray(by_hand - model.log_prob(fresh))).max())
    sampled = np.asarray(model.sample(jax.random.key(2), 4000))

    table = pq.read_table(TABLE).slice(0, rows_of_table)
    estimator = pf.DensityEstimator(random_state=0, max_epochs=epochs).fit(table)

    figure = Figure(figsize=(9, 3))
    drawn = (("data", learn, "#1f6f8b"), ("samples f(z)", sampled, "#d1603d"))
    for k, (title, points, colour) in enumerate(drawn):
        axes = figure.add_subplot(1, 3, k + 1)
        axes.scatter(*points.T, s=1.5, color=colour)
        axes.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), xticks=[], yticks=[])
    axes = figure.add_subplot(1, 3, 3)
    side = np.linspace(-2.6, 2.6, 160)
    grid = np.stack(np.meshgrid(side, side), -1)
    axes.imshow(np.exp(np.asarray(model.log_prob(grid))), origin="lower", cmap="magma_r")
    axes.set(title="density p(x)", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F7_maximum_likelihood.png", dpi=110)
    return {
        "two moons, nats per fresh row": float(np.asarray(model.log_prob(fresh)).mean()),
        "untrained": float(np.asarray(flow.log_prob(fresh)).mean()),
        "largest difference of log p by hand": gap,
        "california, nats per hold-out row": estimator.card_["holdout_nats"],
        "california, Gaussian": estimator.card_["baselines"]["gaussian"],
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
