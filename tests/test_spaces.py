"""Half-lines, intervals, the simplex, the torus and the sphere against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import StandardNormal
from pushforward.transforms import (
    CircularSpline,
    Exp,
    StickBreaking,
    above,
    below,
    between,
    from_sphere,
    to_sphere,
    wrap,
)
from pushforward.transforms.template import Heads


def test_half_lines_and_intervals():
    """Normals sent to (2, ∞), (−∞, 3) and (−1, 4) have shifted, mirrored and logit laws."""
    x = np.array([[-1.5], [-0.5], [1.0], [2.5], [3.5], [4.5]])
    base = StandardNormal(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.where((x > -1) & (x < 4), np.log((x + 1) / (4 - x)), 0)[:, 0]
    width = np.where((x > -1) & (x < 4), 5 / ((x + 1) * (4 - x)), 0)[:, 0]
    with np.errstate(divide="ignore"):
        expected = (
            (above(2.0), stats.lognorm.logpdf(x[:, 0] - 2, 1)),
            (below(3.0), stats.lognorm.logpdf(3 - x[:, 0], 1)),
            (between(-1.0, 4.0), stats.norm.logpdf(logit) + np.log(width)),
        )
    for transform, log_p in expected:
        got = pf.Pushforward(transform, base).log_prob(x)
        np.testing.assert_allclose(got, log_p, rtol=1e-5, atol=1e-5)


def test_an_interval_without_inside():
    with pytest.raises(OptionError, match="low < high"):
        between(1.0, 1.0)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_equal_shares(dim):
    x, dlogp = StickBreaking(dim).forward(jnp.zeros(dim))
    np.testing.assert_allclose(x, 1 / (dim + 1), rtol=1e-6)
    np.testing.assert_allclose(dlogp, (dim + 1) * np.log(dim + 1), rtol=1e-6)


def test_stick_breaking_of_betas_is_dirichlet(rng):
    """If v_k ~ Beta(1, K − k), the law of each logit being known, the shares are uniform."""
    dim = 3
    x = rng.dirichlet(np.ones(dim + 1), 50)[:, :dim].T
    with jax.enable_x64(True):
        z, dlogp = StickBreaking(dim).inverse(jnp.asarray(x))
        left = np.arange(dim, 0, -1)[:, None]
        v = 1 / (1 + np.exp(-np.asarray(z)) * left)
        log_z = (stats.beta.logpdf(v, 1, left) + np.log(v) + np.log1p(-v)).sum(0)
        np.testing.assert_allclose(log_z + dlogp, np.log(6), rtol=1e-10)


def test_wrap():
    turns = 2 * np.pi * np.arange(-3, 4)
    np.testing.assert_allclose(wrap(jnp.asarray(1.3 + turns)), 1.3, atol=2e-6)
    assert float(jnp.abs(wrap(jnp.linspace(-50, 50, 10001))).max()) <= np.float32(np.pi)


@pytest.mark.parametrize("coupling", [True, False])
def test_torus_has_no_seam(coupling, rng):
    """log p and the map agree on both sides of −π = π, in each angle (float64)."""
    with jax.enable_x64(True):
        model = perturbed(
            pf.models.torus_nsf(
                2, key=jax.random.key(0), layers=2, hidden=(8,), bins=4, coupling=coupling
            ),
            rng,
            0.5,
        )
        for j in range(2):
            rows = np.tile(rng.uniform(-3, 3, (20, 1, 2)), (1, 2, 1))
            rows[:, 0, j], rows[:, 1, j] = -np.pi, np.pi
            log_p = np.asarray(model.log_prob(rows))
            assert np.ptp(log_p[:, 0]) > 1e-3
            np.testing.assert_allclose(log_p[:, 0], log_p[:, 1], atol=1e-10)


def test_torus_at_first_is_uniform():
    model = pf.models.torus_nsf(3, key=jax.random.key(0), layers=2, hidden=(8,))
    rows = jax.random.uniform(jax.random.key(1), (20, 3), minval=-3.1, maxval=3.1)
    np.testing.assert_allclose(model.log_prob(rows), -3 * np.log(2 * np.pi), rtol=1e-5)
    assert model.support == "circle"
    assert (model.log_prob(rows + 2 * np.pi) == -np.inf).all()


def test_sphere_has_mass_one_per_area(rng):
    """Quadrature over colatitude and longitude, with area sin(colatitude), gives one."""
    model = pf.models.sphere_flow(2, key=jax.random.key(0), layers=2, hidden=(8,), bins=4)
    colatitude = (np.arange(400) + 0.5) * np.pi / 400
    longitude = (np.arange(400) + 0.5) * np.pi / 200 - np.pi
    a, b = np.meshgrid(colatitude, longitude, indexing="ij")
    vectors = np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)], -1)
    rows = from_sphere(jnp.asarray(vectors.reshape(-1, 3)))
    np.testing.assert_allclose(model.log_prob(rows[:50]), -np.log(4 * np.pi), rtol=1e-5)
    log_p = np.asarray(perturbed(model, rng, 0.3).log_prob(rows))
    mass = (np.exp(log_p) * np.sin(a).ravel()).sum() * (np.pi / 400) * (np.pi / 200)
    assert abs(mass - 1) < 2e-3
    assert np.ptp(log_p) > 0.1


def test_sphere_there_and_back(rng):
    vectors = rng.standard_normal((100, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    back = to_sphere(from_sphere(jnp.asarray(vectors)))
    np.testing.assert_allclose(back, vectors, atol=1e-3)  # float32: √(1 − h²) near a pole
    poles = to_sphere(jnp.array([[1.0, 0.3], [-1.0, 2.0]]))
    np.testing.assert_allclose(poles, [[0, 0, 1], [0, 0, -1]], atol=1e-7)
    with pytest.raises(ShapeError, match="unit vectors"):
        from_sphere(2 * jnp.asarray(vectors))


@pytest.mark.slow
def test_learning_a_von_mises(rng):
    """2,000 angles: the fit is within 0.05 nats of the truth on fresh ones, across the seam."""
    law = stats.vonmises(2.0, loc=3.0)
    x = np.asarray(wrap(jnp.asarray(law.rvs(2000, random_state=rng))))[:, None]
    fresh = np.asarray(wrap(jnp.asarray(law.rvs(2000, random_state=rng))))
    model = pf.models.torus_nsf(1, key=jax.random.key(0), layers=1, hidden=(8,))
    fitted = pf.fit(model, x, key=jax.random.key(1), max_epochs=30, learning_rate=0.03).model
    gap = law.logpdf(fresh) - np.asarray(fitted.log_prob(fresh[:, None]))
    assert gap.mean() < 0.05
    assert gap.mean() > -3 * gap.std() / np.sqrt(len(gap))


def test_templates_stay_in_their_space():
    assert Heads(CircularSpline(4), 2, 3).dim == 2
    with pytest.raises(OptionError, match="onto itself"):
        Heads(Exp(), 2, 3)
