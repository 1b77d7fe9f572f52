"""Posteriors of real models by a flow and reverse KL, against reference draws of posteriordb.

python -m benchmarks posteriors --data FOLDER [--names a,b] [--steps 2000] [--seed 0]
    runs each posterior and appends one JSON line a measurement. FOLDER holds NAME.npz (draws,
    names) and NAME.data.json.gz.
A posterior is reached where k_hat < 0.7 and no mean is off by more than 0.1 posterior sd.
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

import pushforward as pf
from pushforward.densities import Pushforward
from pushforward.fitting import fit_to_target, importance, laplace, numpyro_target

LINES = Path(__file__).parent / "results" / "posteriors.jsonl"
DRAWS = 20_000


def eight_schools(d):
    """Treatment effects in eight schools, standardized effects as latents (Rubin 1981)."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    z = numpyro.sample("z", dist.Normal(0, 1).expand((8,)).to_event(1))
    theta = numpyro.deterministic("theta", mu + tau * z)
    numpyro.sample("y", dist.Normal(theta, d["sigma"]).to_event(1), obs=d["y"])


def garch11(d):
    """Volatility that follows the last shock and the last volatility."""
    mu = _flat("mu", constraints.real)
    alpha0 = _flat("alpha0", constraints.positive)
    alpha1 = numpyro.sample("alpha1", dist.Uniform(0, 1))
    beta1 = numpyro.sample("beta1", dist.Uniform(0, 1 - alpha1))
    numpyro.factor("beta1_is_flat", jnp.log1p(-alpha1))

    def step(variance, before):
        variance = alpha0 + alpha1 * (before - mu) ** 2 + beta1 * variance
        return variance, variance

    first = jnp.asarray(d["sigma1"] ** 2, d["y"].dtype)
    _, later = jax.lax.scan(step, first, d["y"][:-1])
    sd = jnp.sqrt(jnp.concatenate([first[None], later]))
    numpyro.sample("y", dist.Normal(mu, sd).to_event(1), obs=d["y"])


def regression(d):
    """Linear regression with proper priors."""
    beta = numpyro.sample("beta", dist.Normal(0, 10).expand((d["X"].shape[1],)).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    numpyro.sample("y", dist.Normal(d["X"] @ beta, sigma).to_event(1), obs=d["y"])


def kidscore(d):
    """Test scores by the mother's schooling, her IQ and their product; flat coefficients."""
    beta = _flat("beta", constraints.real_vector, (4,))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    x = jnp.stack(
        [jnp.ones_like(d["mom_iq"]), d["mom_hs"], d["mom_iq"], d["mom_hs"] * d["mom_iq"]], 1
    )
    numpyro.sample("y", dist.Normal(x @ beta, sigma).to_event(1), obs=d["kid_score"])


def autoregression(d):
    """An autoregressive series of order K."""
    order, y = int(d["K"]), d["y"]
    alpha = numpyro.sample("alpha", dist.Normal(0, 10))
    beta = numpyro.sample("beta", dist.Normal(0, 10).expand((order,)).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    lags = jnp.stack([y[order - k : y.size - k] for k in range(1, order + 1)], 1)
    numpyro.sample("y", dist.Normal(alpha + lags @ beta, sigma).to_event(1), obs=y[order:])


def two_normals(d):
    """A mixture of two normals with ordered means."""
    mu = _flat("mu", constraints.ordered_vector, (2,))
    numpyro.factor("mu_prior", dist.Normal(0, 2).log_prob(mu).sum())
    sigma = numpyro.sample("sigma", dist.HalfNormal(2).expand((2,)).to_event(1))
    theta = numpyro.sample("theta", dist.Beta(5, 5))
    parts = dist.Normal(mu, sigma).log_prob(d["y"][:, None])
    log_weights = jnp.stack([jnp.log(theta), jnp.log1p(-theta)])
    numpyro.factor("y", jax.nn.logsumexp(parts + log_weights, axis=1).sum())


def gaussian_process(d):
    """Gaussian-process regression on eleven points."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    gap = d["x"][:, None] - d["x"][None]
    covariance = alpha**2 * jnp.exp(-0.5 * (gap / rho) ** 2) + sigma * jnp.eye(d["x"].size)
    numpyro.sample("y", dist.MultivariateNormal(0.0, covariance), obs=d["y"])


def earnings(d):
    """Log earnings by height, sex and their product; all flat."""
    beta = _flat("beta", constraints.real_vector, (4,))
    sigma = _flat("sigma", constraints.positive)
    height, male = d["height"], d["male"]
    x = jnp.stack([jnp.ones_like(height), height, male, height * male], 1)
    numpyro.sample("y", dist.Normal(x @ beta, sigma).to_event(1), obs=jnp.log(d["earn"]))


POSTERIORS = {
    "eight_schools-eight_schools_noncentered": eight_schools,
    "gp_pois_regr-gp_regr": gaussian_process,
    "garch-garch11": garch11,
    "arK-arK": autoregression,
    "sblrc-blr": regression,
    "kidiq-kidscore_interaction": kidscore,
    "low_dim_gauss_mix-low_dim_gauss_mix": two_normals,
    "earnings-logearn_interaction": earnings,
}


def main(arguments):
    """Run the posteriors asked for; print and keep one line each."""
    parser = argparse.ArgumentParser(prog="benchmarks posteriors", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/posteriordb_dev"))
    parser.add_argument("--names", default=",".join(POSTERIORS))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for name in options.names.split(","):
        with jax.enable_x64(True):
            line = measure(name, options.data, options.steps, options.seed)
        print(json.dumps(line), flush=True)
        with LINES.open("a") as file:
            file.write(json.dumps(line) + "\n")


def measure(name, data, steps, seed):
    """Fit a flow to one posterior and compare it with the reference draws."""
    with gzip.open(data / f"{name}.data.json.gz") as file:
        values = {k: np.asarray(v, float) for k, v in json.load(file).items()}
    reference = np.load(data / f"{name}.npz")
    began = time.monotonic()
    target = numpyro_target(POSTERIORS[name], (values,), key=jax.random.key(seed))
    start = laplace(target.log_prob, jnp.zeros(target.dim))
    flow = pf.models.realnvp(
        target.dim, key=jax.random.key(seed + 1), hidden=(32, 32), activation="tanh"
    )
    flow = Pushforward(pf.Chain([flow.transform, start.transform]), flow.density)
    model = fit_to_target(flow, target.log_prob, key=jax.random.key(seed + 2), steps=steps).model
    seconds = time.monotonic() - began
    weighed = importance(model, target.log_prob, key=jax.random.key(seed + 3), n=DRAWS)
    sites = target.constrain(weighed.draws)
    rows = np.stack([_column(sites, parameter) for parameter in reference["names"]], 1)
    mean, sd = (f(reference["draws"].astype(float), axis=0) for f in (np.mean, np.std))
    plain = np.abs(rows.mean(0) - mean) / sd
    smoothed = np.abs(np.asarray(weighed.mean(rows).value) - mean) / sd
    return {
        "posterior": name,
        "dim": target.dim,
        "seed": seed,
        "steps": steps,
        "k_hat": round(weighed.k_hat, 3),
        "ess_share": round(weighed.ess / DRAWS, 4),
        "elbo": round(float(weighed.elbo.value), 4),
        "log_evidence": round(float(weighed.log_evidence.value), 4),
        "worst_mean_in_sd": round(float(plain.max()), 4),
        "worst_weighted_mean_in_sd": round(float(smoothed.max()), 4),
        "reached": bool(weighed.k_hat < 0.7 and max(plain.max(), smoothed.max()) < 0.1),
        "seconds": round(seconds, 1),
    }


def _flat(name, constraint, shape=()):
    event = shape if constraint.event_dim else ()
    return numpyro.sample(name, dist.ImproperUniform(constraint, (), event))


def _column(sites, parameter):
    """Return the draws of a parameter by Stan's name for it, such as beta[2]."""
    name, _, index = str(parameter).rstrip("]").partition("[")
    values = np.asarray(sites[name], float)
    return values[:, int(index) - 1] if index else values
