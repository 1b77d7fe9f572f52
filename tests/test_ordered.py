"""Marginals, conditionals and sharpened samples of flows, against quadrature and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pushforward as pf
from laws.inputs import perturbed
from pushforward.core.errors import OptionError
from pushforward.densities import (
    Conditional,
    Marginal,
    Pushforward,
    StandardNormal,
    StudentT,
    sample_highest_density,
    tempered,
)
from pushforward.transforms import (
    Chain,
    Exp,
    MaskedAutoregressive,
    RationalQuadraticSpline,
    Sinh,
    Triangular,
)


def triangular_flow(rng, base=None, last=()):
    layers = [
        MaskedAutoregressive(2, RationalQuadraticSpline(4, 4.0), key=key, hidden=(8,))
        for key in jax.random.split(jax.random.key(int(rng.integers(2**31))))
    ]
    linear = Triangular(jnp.array([0.5, -1.0]), jnp.array([[1.0, 0.0], [0.7, 0.6]]))
    chain = perturbed(Chain([*layers, linear, *last]), rng, 0.2)
    return Pushforward(chain, StandardNormal(2) if base is None else base)


@pytest.mark.parametrize("base", [StandardNormal, StudentT])
def test_a_marginal_is_the_integral_of_the_joint(base, rng):
    with jax.enable_x64(True):
        flow = triangular_flow(rng, base(2))
        first = jnp.linspace(-2, 2, 3)
        # Arcsinh-spaced nodes reach the Student-t's tails and are fine where a bin is narrow.
        u = jnp.linspace(-12, 12, 480_001)
        second, step = jnp.sinh(u), jnp.cosh(u) * (u[1] - u[0])
        joint = jax.jit(
            jax.vmap(lambda a: flow.log_prob(jnp.stack([jnp.full_like(second, a), second], 1)))
        )(first)
        integral = jnp.log((jnp.exp(joint) * step).sum(1))
        found = Marginal(flow, 1).log_prob(first[:, None])
        np.testing.assert_allclose(found, integral, atol=1e-3)
        rest = Conditional(flow, 1).log_prob(second[240_000][None, None], first[:, None])
        np.testing.assert_allclose(rest, joint[:, 240_000] - found, atol=1e-9)


def test_gaussian_conditionals_are_those_of_the_book(rng):
    with jax.enable_x64(True):
        lower = np.tril(rng.normal(size=(4, 4)), -1) + np.diag(rng.uniform(0.5, 2, 4))
        mean, covariance = rng.normal(size=4), lower @ lower.T
        flow = Pushforward(Triangular(mean, lower), StandardNormal(4))
        x = rng.normal(size=4)
        gain = covariance[2:, :2] @ np.linalg.inv(covariance[:2, :2])
        law = stats.multivariate_normal(
            mean[2:] + gain @ (x[:2] - mean[:2]), covariance[2:, 2:] - gain @ covariance[:2, 2:]
        )
        given = Conditional(flow, 2)
        assert abs(float(given.log_prob(x[2:], x[:2])) - law.logpdf(x[2:])) < 1e-9
        draws = np.asarray(given.sample(jax.random.key(0), 20_000, x[:2]))
        assert np.abs(draws.mean(0) - law.mean).max() < 5 * np.sqrt(np.diag(law.cov).max() / 20_000)
        np.testing.assert_allclose(np.cov(draws.T), law.cov, rtol=0.1, atol=0.05)


def test_bounded_features_have_marginals_too(rng):
    flow = triangular_flow(rng, last=[Sinh(), Exp()])
    log_p = Marginal(flow, 1).log_prob(jnp.array([[0.5], [2.0], [-1.0]]))
    assert jnp.isfinite(log_p[:2]).all()
    assert log_p[2] == -jnp.inf


def test_recipes_over_a_network_of_parents_keep_their_order(rng):
    flow = pf.models.nsf(
        3, key=jax.random.key(0), layers=2, hidden=(8,), parents=((), (0,), (0, 1))
    )
    assert Marginal(flow, 2).dim == 2
    with pytest.raises(OptionError, match="linear"):
        pf.models.maf(2, key=jax.random.key(0), parents=((), (0,)), linear=True)
    with pytest.raises(OptionError, match="earlier"):
        pf.models.maf(2, key=jax.random.key(0), parents=((1,), ()))


def test_subsets_of_mixing_flows_are_refused(rng):
    flow = pf.models.nsf(3, key=jax.random.key(0), layers=2, hidden=(8,))
    with pytest.raises(OptionError, match="mixes"):
        Marginal(flow, 1)
    with pytest.raises(OptionError, match="1 ≤ k"):
        Marginal(triangular_flow(rng), 2)


def test_a_cooler_base_is_a_density_of_its_own(rng):
    """For a volume-preserving map it is the power of the density, normalized."""
    shift = Triangular(jnp.array([1.0, 2.0]), jnp.array([[1.0, 0.0], [3.0, 1.0]]))
    flow = Pushforward(shift, StandardNormal(2))
    x = jnp.asarray(rng.normal(size=(6, 2)))
    cool = tempered(flow, 0.5)
    power = flow.log_prob(x) / 0.25
    np.testing.assert_allclose(cool.log_prob(x) - power, (cool.log_prob(x) - power)[0], atol=1e-3)
    sd = np.asarray(cool.sample(jax.random.key(0), 20_000))[:, 0].std()
    assert abs(sd - 0.5) < 0.02
    with pytest.raises(OptionError, match="temperature"):
        tempered(flow, 0.0)


def test_the_region_of_highest_density_of_a_normal_is_a_disc():
    """The disc with share s of a standard normal in the plane has radius √(−2 log(1 − s))."""
    draws = sample_highest_density(StandardNormal(2), jax.random.key(0), 20_000, 0.4)
    radius = np.linalg.norm(np.asarray(draws), axis=1)
    edge = np.sqrt(-2 * np.log(1 - 0.4))
    assert draws.shape == (20_000, 2)
    assert abs(radius.max() - edge) < 0.02
    # Uniform in (share of mass), so the median radius encloses half of it.
    assert abs(np.median(radius) - np.sqrt(-2 * np.log(1 - 0.2))) < 0.02
