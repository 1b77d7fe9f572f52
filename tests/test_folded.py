"""Sums over preimages and surjections against closed forms; what is a bound says so."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import pushforward as pf
from pushforward.core.errors import (
    EvidenceError,
    KeyRequiredError,
    OptionError,
    ShapeError,
)
from pushforward.densities import (
    Abs,
    Fold,
    HalfNormal,
    NumPyroDensity,
    PreimageSum,
    Sorted,
    Square,
    StandardNormal,
    StudentT,
)
from pushforward.transforms import Augment, Chain, Max, RandomSigns, Sinh, Slice, Sort


def normal(mean, sd):
    mean = jnp.asarray(mean, jnp.result_type(float))
    return NumPyroDensity(dist.Normal(mean, sd).to_event(1))


def correlated(r):
    covariance = jnp.array([[1.0, r], [r, 1.0]])
    return NumPyroDensity(dist.MultivariateNormal(jnp.zeros(2), covariance))


def test_folded_normal():
    x = np.array([[0.0], [0.3], [1.7], [4.0]])
    model = PreimageSum(Abs(1), normal([1.5], 0.7))
    want = stats.foldnorm.logpdf(x[:, 0], 1.5 / 0.7, scale=0.7)
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-5)
    assert model.log_prob(np.array([-0.1])) == -np.inf
    assert model.support == "nonnegative"


def test_square_of_a_normal():
    x = np.array([[0.01], [0.3], [1.7], [9.0]])
    model = PreimageSum(Square(1), normal([1.5], 1.0))
    np.testing.assert_allclose(model.log_prob(x), stats.ncx2.logpdf(x[:, 0], 1, 2.25), rtol=1e-4)


def test_folds_along_any_line(rng):
    """The fold of N(m, 1) is φ(x − m) + φ(x' − m) on one side; both folds give the abs twice."""
    w, b, mean = np.array([3.0, -4.0]) / 5, 0.4, np.array([0.5, -1.0])
    model = PreimageSum(Fold([3.0, -4.0], b), normal(mean, 1.0))
    x = rng.normal(size=(100, 2))
    mirrored = x - 2 * (x @ w - b)[:, None] * w
    density = sum(np.exp(stats.norm.logpdf(v - mean).sum(1)) for v in (x, mirrored))
    with np.errstate(divide="ignore"):
        want = np.log(np.where(x @ w >= b, density, 0))
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-4, atol=1e-4)
    assert (np.asarray(model.sample(jax.random.key(0), 500)) @ w >= b - 1e-5).all()
    twice = PreimageSum(Fold([0.0, 1.0]), PreimageSum(Fold([1.0, 0.0]), normal(mean, 1.0)))
    once = PreimageSum(Abs(2), normal(mean, 1.0))
    np.testing.assert_allclose(twice.log_prob(abs(x)), once.log_prob(abs(x)), rtol=1e-5)


def test_order_statistics(rng):
    x = np.sort(rng.normal(size=(20, 3)), 1)
    model = PreimageSum(Sorted(3), StandardNormal(3))
    want = math.log(6) + stats.norm.logpdf(x).sum(1)
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-5)
    assert (np.asarray(model.log_prob(x[:, ::-1])) == -np.inf).all()
    assert (np.diff(model.sample(jax.random.key(0), 50), axis=1) >= 0).all()


def test_sorting_makes_a_law_exchangeable(rng):
    """log p = log of the mean over all orders of the law that is sorted."""
    law = normal([0.0, 1.0, 3.0], 0.8)
    model = pf.Pushforward(Sort(3), PreimageSum(Sorted(3), law))
    x = rng.normal(1.0, 1.5, size=(20, 3))
    orders = [np.asarray(law.log_prob(x[:, p])) for p in itertools.permutations(range(3))]
    want = np.log(np.exp(orders).mean(0))
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-4)
    assert model.evidence == pf.Evidence.EXACT


def test_half_normal():
    x = np.array([[0.0], [0.5], [3.0]])
    np.testing.assert_allclose(HalfNormal(1).log_prob(x), stats.halfnorm.logpdf(x[:, 0]), rtol=1e-5)


def test_max(rng):
    x = rng.normal(size=(20, 3))
    model = pf.Pushforward(Max(HalfNormal(2)), StandardNormal(1))
    top = x.max(1)
    distances = np.sort(top[:, None] - x, 1)[:, 1:]
    want = stats.norm.logpdf(top) - math.log(3) + stats.halfnorm.logpdf(distances).sum(1)
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-4)
    drawn = np.asarray(model.sample(jax.random.key(0), 3000))
    counts = np.bincount(drawn.argmax(1), minlength=3)
    assert stats.chisquare(counts).pvalue > 1e-6
    assert stats.kstest(drawn.max(1), "norm").pvalue > 1e-6


def test_slice_joins_two_laws(rng):
    x = rng.normal(size=(10, 3))
    conditional = pf.models.maf(2, key=jax.random.key(0), context_dim=1, hidden=(8,), layers=1)
    model = pf.Pushforward(Slice(1, conditional), StudentT(1))
    want = StudentT(1).log_prob(x[:, :1]) + conditional.log_prob(x[:, 1:], x[:, :1])
    np.testing.assert_allclose(model.log_prob(x), want, rtol=1e-5)
    assert model.dim == 3
    assert model.evidence == pf.Evidence.EXACT


def test_rad_begins_as_its_flow(rng):
    """Fair signs of half-normals are normals."""
    x = rng.normal(size=(20, 2))
    model = pf.models.rad(2, key=jax.random.key(0), layers=2, hidden=(8,))
    np.testing.assert_allclose(model.log_prob(x), stats.norm.logpdf(x).sum(1), rtol=1e-4)
    back = np.asarray(model.sample(jax.random.key(1), 4000))
    assert stats.kstest(back[:, 0], "norm").pvalue > 1e-6


@pytest.mark.parametrize("r", [0.0, 0.6])
def test_augmentation_is_a_bound(r):
    """E elbo = log p(x) − KL(q(u) ‖ p(u | x)); iwae lies between; equal where q is right."""
    model = pf.Pushforward(Augment(1, StandardNormal(1)), correlated(r))
    assert model.evidence == pf.Evidence.BOUND
    assert model.dim == 1
    with pytest.raises(EvidenceError):
        model.log_prob(np.zeros((1, 1)))
    with pytest.raises(KeyRequiredError):
        model.transform.inverse(jnp.zeros(1))
    x = np.array([[-1.0], [0.0], [0.7]])
    exact = stats.norm.logpdf(x[:, 0])
    rest = 1 - r**2
    gap = 0.5 * ((1 + (r * x[:, 0]) ** 2) / rest - 1 + math.log(rest))
    elbo = model.elbo(x, key=jax.random.key(0), n=4000)
    assert elbo.kind == "lower"
    slack = 4 * np.asarray(elbo.std_error) + 1e-5
    assert (abs(elbo.value - (exact - gap)) < slack).all()
    iwae = model.iwae(x, key=jax.random.key(1), n=4000)
    assert (abs(iwae.value - exact) < 4 * np.asarray(iwae.std_error) + 1e-5).all()
    assert (
        stats.kstest(np.asarray(model.sample(jax.random.key(2), 2000))[:, 0], "norm").pvalue > 1e-6
    )


def test_a_bound_of_an_exact_model_is_exact(rng):
    x = rng.normal(size=(5, 2))
    model = pf.models.rad(2, key=jax.random.key(0), layers=1, hidden=(8,))
    elbo = model.elbo(x, key=jax.random.key(0))
    np.testing.assert_allclose(elbo.value, model.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(elbo.std_error, 0, atol=1e-6)
    outside = pf.Pushforward(Augment(1, StandardNormal(1)), correlated(0.0))
    assert not np.isnan(outside.elbo(np.array([1e30]), key=jax.random.key(0)).std_error)


def test_what_would_have_the_wrong_mass_is_refused():
    with pytest.raises(OptionError, match="ordered"):
        pf.Pushforward(Sort(2), StandardNormal(2))
    with pytest.raises(OptionError, match="nonnegative"):
        pf.Pushforward(RandomSigns(2, key=jax.random.key(0)), StandardNormal(2))
    with pytest.raises(OptionError, match="nonnegative"):
        Max(StandardNormal(1))
    with pytest.raises(OptionError, match="surjection"):
        Chain([Sort(2), Sinh()])
    with pytest.raises(OptionError, match="real"):
        Augment(1, HalfNormal(1))
    with pytest.raises(ShapeError):
        pf.Pushforward(Augment(1, StandardNormal(1)), StandardNormal(1))
    with pytest.raises(OptionError, match="ten"):
        Abs(11)
    with pytest.raises(OptionError, match="orders"):
        Sorted(7)


@pytest.mark.parametrize(
    "layer",
    [
        Slice(1, StandardNormal(1)),
        Max(HalfNormal(1)),
        Sort(2),
        RandomSigns(2, key=jax.random.key(0)),
    ],
)
def test_layers_that_draw_ask_for_a_key(layer):
    with pytest.raises(KeyRequiredError, match=type(layer).__name__):
        layer.forward(jnp.zeros(layer.latent_dim))
    z = jnp.linspace(0.1, 1.0, layer.latent_dim)
    x, there = layer.forward(z, key=jax.random.key(0))
    back, again = layer.inverse(x)
    np.testing.assert_allclose(back, z, rtol=1e-6)
    np.testing.assert_allclose(there, again, rtol=1e-5)
