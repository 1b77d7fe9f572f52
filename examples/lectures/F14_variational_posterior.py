"""F14: a flow as variational posterior. Eight schools, by reverse Kullback-Leibler divergence.

F = E[log q₀(z₀)] + E[Σ dlogp] − E[log p(x, z_L)],   z_L = f(z₀),

and dlogp = log|det ∂z₀/∂z_L| is minus the log-determinant of the forward map.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf
from pushforward.densities import Pushforward
from pushforward.fitting import fit_to_target, importance, laplace

EFFECT = jnp.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = jnp.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
LOG_EVIDENCE = -31.3113
"""log p(effects) by quadrature over mu and tau, the schools integrated out in closed form."""


def parameters(rows):
    """Return theta, mu and tau of latents (mu/5, log tau, one a school: non-centred)."""
    mu, tau = 5 * rows[:, 0], jnp.exp(rows[:, 1])
    return mu[:, None] + tau[:, None] * rows[:, 2:], mu, tau


def log_joint(rows):
    """Return log p(effects, latents): mu ~ N(0, 5), tau ~ half-Cauchy(5), schools ~ N(mu, tau)."""
    theta, _, tau = parameters(rows)
    normal = jax.scipy.stats.norm.logpdf
    prior = normal(rows[:, 0]) + normal(rows[:, 2:]).sum(1)
    log_tau = jnp.log(2 / (5 * jnp.pi)) - jnp.log1p((tau / 5) ** 2) + rows[:, 1]
    return prior + log_tau + normal(EFFECT, theta, ERROR).sum(1)


def main(folder: Path, epochs: int = 12) -> dict:
    """Learn the posterior, weigh the draws, and put the free energy together by hand."""
    start = laplace(log_joint, np.zeros(10))
    flow = pf.models.realnvp(
        10, key=jax.random.key(0), layers=3, hidden=(16, 16), activation="tanh"
    )
    # The flow begins as the Gaussian at the posterior's mode.
    flow = Pushforward(pf.Chain([flow.transform, start.transform]), flow.density)
    fitted = fit_to_target(
        flow, log_joint, key=jax.random.key(1), draws=64, steps=50 * epochs, learning_rate=0.01
    )
    model = fitted.model
    weighed = importance(model, log_joint, key=jax.random.key(2), n=10_000)

    z = model.density.sample(jax.random.key(3), 2000)
    x, dlogp = model.transform.forward(z.T)
    by_hand = model.density.log_prob(z) + dlogp - log_joint(x.T)
    of_model = model.log_prob(x.T) - log_joint(x.T)
    gap = float(jnp.abs(by_hand.mean() - of_model.mean()))

    theta, mu, tau = (np.asarray(v) for v in parameters(jnp.asarray(weighed.draws)))
    figure = Figure(figsize=(9, 3))
    axes = figure.add_subplot(1, 3, 1)
    axes.plot(fitted.history["epoch"], fitted.history["validation"], color="#1f6f8b")
    axes.axhline(-LOG_EVIDENCE, color="grey", lw=1)
    axes.set(title="free energy and −log p(data)", xlabel="50 steps", ylabel="nats")
    axes = figure.add_subplot(1, 3, 2)
    axes.scatter(np.log(tau[:3000]), theta[:3000, 0], s=1.5, color="#d1603d")
    axes.set(title="posterior draws", xlabel="log tau", ylabel="theta, school A")
    axes = figure.add_subplot(1, 3, 3)
    axes.errorbar(range(8), EFFECT, ERROR, fmt="o", color="grey", label="data", capsize=2)
    axes.errorbar(
        np.arange(8) + 0.2, theta.mean(0), theta.std(0), fmt="o", color="#1f6f8b", label="posterior"
    )
    axes.set(title="effects", xlabel="school")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "F14_variational_posterior.png", dpi=110)
    means = weighed.mean(np.stack([mu, tau], 1)).value
    return {
        "ELBO": float(weighed.elbo.value),
        "log evidence by importance weights": float(weighed.log_evidence.value),
        "log evidence by quadrature": LOG_EVIDENCE,
        "k_hat": weighed.k_hat,
        "effective draws of 10,000": weighed.ess,
        "mean of mu": float(means[0]),
        "mean of tau": float(means[1]),
        "largest difference of the free energy by hand": gap,
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
