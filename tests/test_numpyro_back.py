"""The way back: our densities inside NumPyro's models, samplers and guides."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO

import pushforward as pf
from cases import CASES, DENSITIES, MODELS
from laws import perturbed
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import (
    NumPyroDensity,
    Pushforward,
    StandardNormal,
    Uniform,
    full_gaussian,
    gaussian_mixture,
    to_numpyro,
)
from pushforward.transforms import Warp

SMALL = {"layers": 2, "hidden": (8, 8)}
NAMES = [
    "nsf",
    "maf_context",
    "uniform",
    "student_t",
    "numpyro_half_line",
    "numpyro_scalar",
    "pushforward_exp",
    "mixture_diagonal",
    "mixture_recipe_context",
]


@pytest.mark.parametrize("name", NAMES)
def test_numbers_shapes_and_support_are_ours(name, rng):
    case = CASES[name]
    density = perturbed(case.make(jax.random.key(0)), rng, 0.1)
    context = rng.standard_normal((3, case.context_dim)) if case.context_dim else None
    law = to_numpyro(density, context)
    batch = () if context is None else (3,)
    assert law.event_shape == (case.dim,)
    assert law.batch_shape == batch
    key = jax.random.key(1)
    x = law.sample(key, (4, 2))
    assert x.shape == law.shape((4, 2)) == (4, 2, *batch, case.dim)
    assert law.sample(key).shape == (*batch, case.dim)
    np.testing.assert_allclose(
        x.reshape(8, *batch, case.dim), density.sample(key, 8, context), rtol=1e-6
    )
    expected = density.log_prob(x, context)
    # float32 sums in another order.
    np.testing.assert_allclose(law.log_prob(x), expected, rtol=1e-5)
    compiled = jax.jit(lambda law, x: law.log_prob(x))(law, x)
    np.testing.assert_allclose(compiled, expected, rtol=1e-4, atol=1e-5)
    mapped = jax.vmap(lambda v: law.log_prob(v))(x)
    np.testing.assert_allclose(mapped, expected, rtol=1e-4, atol=1e-5)
    leaves, structure = jax.tree.flatten(law)
    again = jax.tree.unflatten(structure, leaves)
    np.testing.assert_array_equal(again.log_prob(x), law.log_prob(x))
    assert np.asarray(law.support(x)).all()
    assert np.asarray(law.support(x)).shape == (4, 2, *batch)
    outside = x.at[..., 0].set(-1e6)
    assert np.asarray(law.support(outside)).all() == (case.edges[0, 0] == -np.inf)


def test_unconstrained_space_reaches_the_support():
    law = to_numpyro(DENSITIES["pushforward_exp"].make(jax.random.key(0)))
    z = jnp.array([[-3.0, 2.0], [0.1, 0.5]])
    x = dist.biject_to(law.support)(z)
    assert np.isfinite(law.log_prob(x)).all()


def test_plates_expand_and_validate():
    law = to_numpyro(full_gaussian(jnp.zeros(2), jnp.eye(2)))
    wide = law.expand((5,))
    x = wide.sample(jax.random.key(0), (3,))
    assert x.shape == (3, 5, 2)
    assert wide.log_prob(x).shape == (3, 5)
    assert np.ptp(np.asarray(x), axis=1).min() > 0
    with numpyro.validation_enabled():
        strict = to_numpyro(Uniform([0.0], [1.0]))
        with pytest.warns(UserWarning, match="support"):
            outside = strict.log_prob(jnp.array([2.0]))
    assert outside == -jnp.inf


def test_what_numpyro_cannot_take():
    mixed = Pushforward(Warp(("identity", "above"), np.zeros(2), np.zeros(2)), StandardNormal(2))
    with pytest.raises(OptionError, match="support"):
        to_numpyro(mixed)
    assert to_numpyro(mixed, support=constraints.real_vector).event_shape == (2,)
    with pytest.raises(ShapeError, match="context"):
        to_numpyro(MODELS["maf_context"].make(jax.random.key(0)))
    with pytest.raises(OptionError, match="key"):
        to_numpyro(StandardNormal(2)).sample(None)
    assert to_numpyro(StandardNormal(2)).has_rsample
    assert not to_numpyro(gaussian_mixture(jnp.zeros((2, 1)), jnp.ones((2, 1)))).has_rsample


def test_a_positive_law_of_numpyro_comes_back():
    law = to_numpyro(NumPyroDensity(dist.Gamma(2.0)))
    assert law.support(jnp.array([1.0]))
    assert not law.support(jnp.array([-1.0]))


@pytest.mark.slow
def test_nuts_with_a_flow_as_prior(rng):
    """Moments of NUTS agree with importance sampling from the prior (5 s.e.)."""
    flow = perturbed(pf.models.realnvp(2, key=jax.random.key(0), **SMALL), rng, 0.2)
    seen = jnp.array([0.7, 0.2])

    def model(y):
        x = numpyro.sample("x", to_numpyro(flow))
        numpyro.sample("y", dist.Normal(x, 0.8).to_event(1), obs=y)

    chains = MCMC(NUTS(model), num_warmup=300, num_samples=2000, progress_bar=False)
    chains.run(jax.random.key(1), seen)
    drawn = np.asarray(chains.get_samples()["x"], float)
    prior = np.asarray(flow.sample(jax.random.key(2), 200_000), float)
    log_w = -0.5 * ((prior - np.asarray(seen)) ** 2).sum(1) / 0.8**2
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    mean = w @ prior
    sd = np.sqrt(w @ (prior - mean) ** 2)
    n_effective = [float(numpyro.diagnostics.effective_sample_size(c[None])) for c in drawn.T]
    error = sd / np.sqrt(np.minimum(n_effective, len(drawn))) + sd * np.sqrt((w**2).sum())
    assert (np.abs(drawn.mean(0) - mean) < 5 * error).all(), (drawn.mean(0), mean, error)
    assert (np.abs(drawn.std(0) / sd - 1) < 0.2).all()


def test_svi_with_a_density_as_guide():
    """A full Gaussian learned as a guide finds the posterior of a conjugate model."""
    covariance = np.array([[1.0, 0.6], [0.6, 1.5]])
    y = np.array([1.0, -2.0])
    start, rest = pf.partition(full_gaussian(jnp.zeros(2), jnp.eye(2)))

    def model():
        x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), covariance))
        numpyro.sample("y", dist.Normal(x, 1.0).to_event(1), obs=y)

    def guide():
        params = numpyro.param("flow", start)
        numpyro.sample("x", to_numpyro(pf.combine(params, rest)))

    svi = SVI(model, guide, numpyro.optim.Adam(0.02), Trace_ELBO(num_particles=8))
    found = svi.run(jax.random.key(0), 1500, progress_bar=False)
    learned = pf.combine(found.params["flow"], rest)
    precision = np.linalg.inv(covariance) + np.eye(2)
    factor = np.linalg.cholesky(np.linalg.inv(precision))
    np.testing.assert_allclose(learned.transform.loc, np.linalg.solve(precision, y), atol=0.1)
    lower, _ = learned.transform._factor(jnp.zeros(2))
    np.testing.assert_allclose(lower, factor, atol=0.1)
