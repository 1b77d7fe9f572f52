"""Gaussians, the logistic law and mixtures against scipy, numpy and scikit-learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

import pushforward as pf
from laws import perturbed
from laws.densities import sample
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import (
    Logistic,
    Mixture,
    NumPyroDensity,
    Resampled,
    StandardNormal,
    diagonal_gaussian,
    full_gaussian,
    gaussian_mixture,
    sample_and_log_prob,
)
from pushforward.nets import mlp


@pytest.fixture
def wide():
    with jax.enable_x64(True):
        yield


def _factors(rng, count, dim):
    lower = np.tril(rng.standard_normal((count, dim, dim)), -1)
    return lower + np.eye(dim) * rng.uniform(0.3, 2, (count, 1, dim))


@pytest.mark.usefixtures("wide")
def test_gaussians_are_scipys(rng):
    loc, x = rng.standard_normal(3), rng.standard_normal((50, 3)) * 3
    factor = _factors(rng, 1, 3)[0]
    expected = stats.multivariate_normal(loc, factor @ factor.T).logpdf(x)
    np.testing.assert_allclose(full_gaussian(loc, factor).log_prob(x), expected, rtol=1e-10)
    scale = rng.uniform(0.1, 3, 3)
    expected = stats.norm.logpdf(x, loc, scale).sum(1)
    np.testing.assert_allclose(diagonal_gaussian(loc, scale).log_prob(x), expected, rtol=1e-10)
    assert diagonal_gaussian([1.0, 2.0], 0.5).dim == 2


@pytest.mark.usefixtures("wide")
def test_the_logistic_law_is_scipys(rng):
    x = np.r_[rng.standard_normal((50, 2)) * 5, [[0.0, 1e3], [-700.0, 1e-9]]]
    expected = stats.logistic.logpdf(x).sum(1)
    np.testing.assert_allclose(Logistic(2).log_prob(x), expected, rtol=1e-12)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_mixtures_are_scikit_learns(kind, rng):
    loc, weights = rng.standard_normal((4, 3)) * 2, rng.dirichlet(np.ones(4))
    factors = _factors(rng, 4, 3)
    scales = np.diagonal(factors, axis1=1, axis2=2)
    oracle = GaussianMixture(4, covariance_type=kind)
    oracle.means_, oracle.weights_ = loc, weights
    precise = np.linalg.inv(factors).swapaxes(1, 2)  # upper-triangular Cholesky factors
    oracle.precisions_cholesky_ = precise if kind == "full" else 1 / scales
    mixture = gaussian_mixture(loc, factors if kind == "full" else scales, np.log(weights) + 3)
    x = rng.standard_normal((60, 3)) * 4
    np.testing.assert_allclose(mixture.log_prob(x), oracle.score_samples(x), rtol=1e-9)
    np.testing.assert_allclose(
        mixture.responsibilities(x), oracle.predict_proba(x), rtol=1e-8, atol=1e-12
    )


def test_moments_of_a_mixture(rng):
    """mean = Σ w m, cov = Σ w (S + m mᵀ) − mean meanᵀ, of samples (5 s.e.)."""
    loc, weights = rng.standard_normal((3, 2)) * 3, np.array([0.6, 0.3, 0.1])
    factors = _factors(rng, 3, 2)
    mixture = gaussian_mixture(loc, factors, np.log(weights))
    x = np.asarray(mixture.sample(jax.random.key(0), 40_000), float)
    mean = weights @ loc
    second = np.einsum("k,kij->ij", weights, factors @ factors.swapaxes(1, 2))
    second = second + np.einsum("k,ki,kj->ij", weights, loc, loc)
    error = x.std(0) / 200
    assert (np.abs(x.mean(0) - mean) < 5 * error).all()
    outer = np.einsum("ni,nj->nij", x, x)
    assert (np.abs(outer.mean(0) - second) < 5 * outer.std(0) / 200).all()


def test_one_component_is_that_component(rng):
    flow = perturbed(pf.models.nsf(2, key=jax.random.key(0), layers=1, hidden=(8,)), rng, 0.2)
    x = rng.standard_normal((20, 2)).astype(np.float32)
    np.testing.assert_allclose(Mixture([flow]).log_prob(x), flow.log_prob(x), rtol=1e-5)


def test_far_from_every_component_slopes_stay_finite():
    """Where float32 gives −inf for each component, neither value nor slope is NaN."""
    mixture = gaussian_mixture(jnp.zeros((2, 1)), jnp.ones((2, 1)))
    far = jnp.full((1, 1), 1e25)
    assert mixture.log_prob(far)[0] == -jnp.inf
    params, rest = pf.partition(mixture)
    slope = jax.grad(lambda p, x: pf.combine(p, rest).log_prob(x).sum(), (0, 1))(params, far)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_a_gate_moves_the_weights_with_the_context(rng):
    mixture = pf.models.mixture(2, key=jax.random.key(0), context_dim=1, components=2, hidden=(8,))
    mixture = perturbed(mixture, rng, 0.3)
    x = np.zeros((2, 2), np.float32)
    shares = [mixture.responsibilities(x, np.full((1, 1), c)) for c in (-2.0, 2.0)]
    weights = mixture._log_weights(jnp.array([[-2.0, 2.0]]), 2)
    assert np.abs(weights[:, 0] - weights[:, 1]).max() > 1e-3
    np.testing.assert_allclose(np.sum(shares, -1), 1, rtol=1e-5)


def test_one_context_row_for_many_samples_gives_the_same_each_time(rng):
    """Found where a compiler fused a product with a repeated column into a reduction."""
    mixture = pf.models.mixture(
        3, key=jax.random.key(0), context_dim=1, components=2, full=False, hidden=(8, 8)
    )
    mixture = perturbed(mixture, rng, 0.1)
    context = jnp.ones(1)
    first = np.asarray(sample(mixture, jax.random.key(1), 20_000, context))
    for _ in range(10):
        np.testing.assert_array_equal(sample(mixture, jax.random.key(1), 20_000, context), first)
    shares = np.asarray(mixture.responsibilities(first, context)).mean(0)
    weights = np.exp(mixture._log_weights(context[:, None], 2))[:, 0]
    np.testing.assert_allclose(shares, weights, atol=5 * 0.5 / np.sqrt(20_000))


def test_the_draw_and_its_density_are_those_of_the_model(rng):
    with jax.enable_x64(True):
        flow = perturbed(pf.models.nsf(3, key=jax.random.key(0), layers=2, hidden=(8,)), rng, 0.2)
        x, log_prob = sample_and_log_prob(flow, jax.random.key(1), 50)
        # One is compiled, the other not: equal but for the order of their sums.
        np.testing.assert_allclose(x, flow.sample(jax.random.key(1), 50), rtol=1e-12)
        np.testing.assert_allclose(log_prob, flow.log_prob(x), rtol=1e-8, atol=1e-8)
    conditional = pf.models.maf(2, key=jax.random.key(0), context_dim=1)
    with pytest.raises(ShapeError, match="context"):
        sample_and_log_prob(conditional, jax.random.key(0), 5)


def test_what_cannot_be_meant_is_refused():
    one, two = StandardNormal(1), StandardNormal(2)
    with pytest.raises(OptionError, match="structure"):
        Mixture([one, two])
    with pytest.raises(OptionError, match="structure"):
        Mixture([])
    with pytest.raises(ShapeError, match="logits"):
        gaussian_mixture(jnp.zeros((2, 1)), jnp.ones((2, 1)), jnp.zeros(3))
    with pytest.raises(ShapeError, match="loc"):
        gaussian_mixture(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(OptionError, match="NumPyro"):
        Mixture([NumPyroDensity(dist.Normal(m, 1.0)) for m in (0.0, 1.0)])
    with pytest.raises(ShapeError, match="gate"):
        Mixture([one, one], gate=mlp.Trunk(0, (4,), key=jax.random.key(0), context_dim=2))
    with pytest.raises(OptionError, match="components"):
        pf.models.mixture(2, key=jax.random.key(0), components=0)
    with pytest.raises(ShapeError, match="no context"):
        mlp.Trunk(2, (4,), key=jax.random.key(0), context_dim=2)(jnp.ones((2, 3)))


def test_a_mixture_is_learned_from_data_and_comes_back_from_disk(rng, tmp_path):
    """Two far clusters: within 0.02 nats of the truth on fresh rows; saved and loaded."""
    truth = gaussian_mixture([[-3.0, 0.0], [3.0, 1.0]], [[0.5, 1.0], [1.0, 0.3]])
    rows, fresh = (np.asarray(truth.sample(jax.random.key(k), 4000)) for k in (0, 1))
    start = pf.models.mixture(2, key=jax.random.key(3), components=2)
    model = pf.fit(start, rows, key=jax.random.key(2), max_epochs=150, learning_rate=0.03).model
    gap = np.asarray(truth.log_prob(fresh) - model.log_prob(fresh))
    assert -3 * gap.std() / np.sqrt(len(gap)) <= gap.mean() < 0.02
    pf.save(model, tmp_path / "m")
    back = pf.load(tmp_path / "m")
    np.testing.assert_array_equal(back.log_prob(fresh), model.log_prob(fresh))


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("rounds", [2, 5, 100])
def test_resampled_density_is_that_of_rejection(rounds, rng):
    """p = Σ_{t<T} (1 − Z)^(t−1) N a + (1 − Z)^(T−1) N, with Z from a fine grid."""
    base = perturbed(Resampled(1, key=jax.random.key(0), hidden=(16,), rounds=rounds), rng, 1.0)
    nodes, step = np.linspace(-9, 9, 100_001, retstep=True)
    z = float((base.acceptance(nodes[None]) * stats.norm.pdf(nodes)).sum() * step)
    x = rng.standard_normal((30, 1)) * 2
    accept = np.asarray(base.acceptance(x.T))
    ways = sum((1 - z) ** t * accept for t in range(rounds - 1)) + (1 - z) ** (rounds - 1)
    expected = stats.norm.logpdf(x[:, 0]) + np.log(ways)
    # Sobol points in one dimension: far closer than 1/4096 of a smooth function's range.
    np.testing.assert_allclose(base.log_prob(x), expected, atol=1e-3)
    assert base.log_normalizer_error() < 1e-3


def test_dropout_leaves_a_resampled_base_whole(rng):
    base = Resampled(2, key=jax.random.key(0), hidden=(8,))
    flow = pf.models.nsf(2, key=jax.random.key(1), layers=1, hidden=(8,), bins=4, base=base)
    thinned = pf.fitting.noise.thin(flow, 0.5, 7, jax.random.key(2))
    assert thinned.density.trunk.gates is None
    assert thinned.log_prob(rng.standard_normal((7, 2))).shape == (7,)


@pytest.mark.slow
def test_a_learned_resampled_base_has_mass_one(rng):
    """In six dimensions too: the net cannot learn the points that its normalizer is made of."""
    modes = rng.choice([-1.2, 1.2], (4000, 6))
    x = modes + 0.3 * rng.standard_normal(modes.shape)
    base = pf.fit(Resampled(6, key=jax.random.key(0)), x, key=jax.random.key(1), max_epochs=60)
    normals = rng.standard_normal((2**17, 6))
    ratio = np.exp(base.model.log_prob(normals) - stats.norm.logpdf(normals).sum(1))
    error = float(np.hypot(ratio.std() / 2**8.5, base.model.log_normalizer_error()))
    assert error < 0.05
    assert abs(ratio.mean() - 1) < 4 * error, (ratio.mean(), error)


def test_a_net_that_accepts_all_is_the_normal(rng):
    """Where Z rounds to one, values and gradients stay finite."""
    start = Resampled(2, key=jax.random.key(0), hidden=(8,))
    sure = eqx.tree_at(lambda b: b.bias, start, jnp.asarray(50.0))
    x = rng.standard_normal((5, 2))
    np.testing.assert_allclose(sure.log_prob(x), stats.norm.logpdf(x).sum(1), rtol=1e-5)
    gradient = jax.grad(lambda bias: eqx.tree_at(lambda b: b.bias, sure, bias).log_prob(x).sum())
    assert np.isfinite(gradient(sure.bias))


def test_resampled_base_learns_holes(rng):
    """Two apart modes with next to nothing in between, without any transform."""
    x = rng.choice([-1.5, 1.5], (4000, 1)) + 0.3 * rng.standard_normal((4000, 1))
    start = Resampled(1, key=jax.random.key(0))
    assert float(jnp.abs(start.log_prob(x) - stats.norm.logpdf(x[:, 0])).max()) < 1e-5
    base = pf.fit(start, x, key=jax.random.key(1), max_epochs=60).model
    drawn = np.asarray(base.sample(jax.random.key(2), 4000))[:, 0]
    # Of the data 3e-4 lie there, of the normal 0.38.
    assert (np.abs(drawn) < 0.5).mean() < 0.02
    with pytest.raises(OptionError, match="rejection"):
        pf.fitting.fit_to_target(base, lambda x: -(x**2).sum(-1), key=jax.random.key(3))
