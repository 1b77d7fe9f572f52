"""F11: maps that are not one-to-one. With at most K preimages the sum is exact; else a bound."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from matplotlib.figure import Figure
from scipy import stats
from sklearn.datasets import make_moons

import pushforward as pf

SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
DRAWS = (2, 8, 32, 128)


def main(folder: Path, epochs: int = 20) -> dict:
    """Fold moons over and sum their four preimages; drop a coordinate and bound what is left."""
    moons = make_moons(3000, noise=0.08, random_state=0)[0]
    folded = np.abs((moons - moons.mean(0)) / moons.std(0))
    flow = pf.models.abs_flow(2, key=jax.random.key(0), layers=3, hidden=(32,), bins=5)
    model = pf.fit(flow, folded, key=jax.random.key(1), max_epochs=epochs).model

    # x = |w| has four preimages: log p(x) is the log of the sum of p(w) over the signs of w.
    fresh = folded[:500]
    log_prob = jax.jit(lambda density, rows: density.log_prob(rows))
    by_hand = jax.nn.logsumexp(log_prob(model.density, fresh * SIGNS[:, None]), 0)
    log_p = log_prob(model, fresh)
    gap = float(np.abs(by_hand - log_p).max())

    # Dropping u from (x, u) leaves a line of preimages: an encoder q(u | x) gives a bound.
    covariance = jnp.array([[1.0, 0.8], [0.8, 1.0]])
    joint = pf.densities.NumPyroDensity(
        dist.MultivariateNormal(jnp.zeros(2), covariance_matrix=covariance)
    )
    encoder = pf.densities.StandardNormal(1)
    dropped = pf.Pushforward(pf.transforms.Augment(1, encoder), joint)
    at = np.full((1000, 1), 0.5)
    exact = stats.norm.logpdf(0.5)
    key = jax.random.key(2)
    elbo = float(jax.jit(lambda: dropped.elbo(at, key=key).value.mean())())
    bounds = jax.jit(lambda: [dropped.iwae(at, key=key, n=n).value.mean() for n in DRAWS])
    iwae = [float(bound) for bound in bounds()]

    figure = Figure(figsize=(9.5, 3))
    axes = figure.add_subplot(1, 3, 1)
    axes.scatter(*folded.T, s=1.5, color="#1f6f8b")
    axes.set(title="data: moons, folded twice", xlim=(0, 2.4), ylim=(0, 2.4))
    side = np.linspace(0, 2.4, 120)
    grid = np.stack(np.meshgrid(side, side), -1)
    axes = figure.add_subplot(1, 3, 2)
    density = np.exp(np.asarray(log_prob(model, grid)))
    axes.imshow(density, origin="lower", cmap="magma_r", extent=(0, 2.4, 0, 2.4))
    axes.set(title=f"density of the fold ({model.evidence})")
    axes = figure.add_subplot(1, 3, 3)
    axes.axhline(exact, color="black", lw=1, label="log p(x)")
    axes.plot(DRAWS, iwae, "o-", ms=3, color="#d1603d", label="importance-weighted bound")
    axes.axhline(elbo, color="#1f6f8b", lw=1, ls="--", label="bound (elbo)")
    axes.set(xscale="log", xlabel="draws of u", title=f"a coordinate dropped ({dropped.evidence})")
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "F11_not_one_to_one.png", dpi=110)
    return {
        "largest difference of the sum over preimages by hand": gap,
        "folded moons, nats per row": float(log_p.mean()),
        "log p(x) of the dropped coordinate's law": float(exact),
        "its bound": elbo,
        "its importance-weighted bound, 128 draws": iwae[-1],
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
