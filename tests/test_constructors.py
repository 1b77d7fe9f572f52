"""What cannot be meant is refused when it is built; what can be is what was asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import OptionError, ShapeError
from pushforward.densities import StandardNormal
from pushforward.models import recipe


@pytest.mark.parametrize("scale", [0.0, -2.0, 1e-4, np.nan])
def test_scales_that_no_parameter_gives(scale):
    with pytest.raises(OptionError, match="scale"):
        pf.transforms.Affine(0.0, scale)
    with pytest.raises(OptionError, match="scale_tril"):
        pf.transforms.Triangular(jnp.zeros(2), jnp.diag(jnp.array([1.0, scale])))


def test_scales_come_back(rng):
    scale = np.exp(rng.uniform(np.log(2e-3), np.log(1e3), 50))
    x, _ = pf.transforms.Affine(0.0, scale).forward(jnp.ones(50))
    np.testing.assert_allclose(x, scale, rtol=1e-4)  # float32 beside the floor of 1e-3


@pytest.mark.parametrize(
    "law",
    [
        dist.Poisson(3.0),
        dist.Categorical(jnp.ones(3) / 3),
        dist.Delta(0.0),
        dist.ImproperUniform(dist.constraints.real, (), ()),
    ],
)
def test_laws_without_a_density(law):
    with pytest.raises(OptionError, match="normalized density"):
        pf.densities.NumPyroDensity(law)


@pytest.mark.parametrize("df", [1.5, 5.0, 100.0, 1e4])
def test_student_t_of_any_df(df):
    x = np.array([[0.0], [1.0], [-30.0]])
    got = pf.densities.StudentT(1, df).log_prob(x)
    # float32: log-gammas of order df log df cancel.
    np.testing.assert_allclose(got, stats.t.logpdf(x[:, 0], df), rtol=1e-4, atol=1e-6 * df)


@pytest.mark.parametrize("layers", [1, 2, 20])
def test_affine_layers_share_a_range(layers, rng):
    """However wild the nets, no feature is scaled by more than e⁹ by a whole stack."""
    model = pf.models.maf(2, key=jax.random.key(0), layers=layers, hidden=(4,))
    model = perturbed(model, rng, 1.0)  # wilder ones shift beyond what float32 can hold
    x = jnp.asarray(rng.standard_normal((2, 50)), jnp.float32)
    dlogp = model.transform.inverse(x)[1]
    most = 2 * min(3 * layers, 9)
    assert 0.01 < np.abs(dlogp).max() < most + 1e-4
    with pytest.raises(OptionError, match="limit"):
        pf.transforms.BoundedAffine(4.0)


@pytest.mark.parametrize("name", pf.models.names())
def test_recipes_say_what_they_build(name):
    model = pf.models.build(name, 2, key=jax.random.key(0))
    assert model.evidence == recipe(name).evidence


def test_a_negative_number_of_samples():
    with pytest.raises(ShapeError, match="samples"):
        StandardNormal(2).sample(jax.random.key(0), -1)
