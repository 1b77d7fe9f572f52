"""Defects found in flow libraries, each as a test that this one passes.

The numbers are those of the survey of libraries that this project keeps; D2, D3, D6 and D7
(monotone networks) and D8 (residual flows) are tested beside those families.
"""

import pickle
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pushforward as pf
from laws.inputs import perturbed
from pushforward import native
from pushforward.core.errors import DataError
from pushforward.densities import Pushforward, StandardNormal, Uniform
from pushforward.transforms import (
    BoundedAffine,
    Coupling,
    MaskedAutoregressive,
    Planar,
    Radial,
    RationalQuadraticSpline,
)

SMALL = {"layers": 2, "hidden": (16, 16)}
TEMPLATES = {"affine": BoundedAffine, "spline": lambda: RationalQuadraticSpline(8, 5.0)}


@pytest.mark.parametrize("template", TEMPLATES)
def test_d1_the_first_variable_sees_the_context(template, rng):
    """The first feature of a conditional autoregressive layer depends on the context."""
    layer = MaskedAutoregressive(
        3, TEMPLATES[template](), key=jax.random.key(0), context_dim=2, hidden=(16, 16)
    )
    layer = perturbed(layer, rng, 0.3)
    x, context = jnp.asarray(rng.normal(size=(20, 3))), jnp.asarray(rng.normal(size=(20, 2)))
    slope = jax.vmap(jax.jacobian(lambda c, v: layer.inverse(v, c)[0][0]))(context, x)
    assert jnp.abs(slope).max() > 1e-3  # a rectifier that is off has none


@pytest.mark.parametrize("spread", [3.0, 10.0, 30.0])
def test_d4_d5_sharp_splines_invert_in_float32(spread, rng):
    """No error, no NaN and no jump of a bin, whatever the logits: the backward error is rounding.

    20,000 points, each with a spline of its own; where the spline is steep, x is told no better
    than z's rounding allows.
    """
    spline = RationalQuadraticSpline(8, 5.0)
    spline = jax.tree.map(
        lambda leaf: jnp.asarray(spread * rng.normal(size=(*leaf.shape, 1, 20_000)), jnp.float32),
        spline,
    )
    x = jnp.asarray(rng.uniform(-5, 5, (1, 20_000)), jnp.float32)
    z, dlogp = jax.jit(lambda s, v: s.inverse(v))(spline, x)
    back, again = jax.jit(lambda s, v: s.forward(v))(spline, z)
    assert jnp.isfinite(z).all()
    assert jnp.isfinite(back).all()
    assert jnp.isfinite(dlogp).all()
    assert jnp.isfinite(again).all()
    twice, _ = jax.jit(lambda s, v: s.inverse(v))(spline, back)
    steepest = jnp.exp(jnp.maximum(dlogp, again))
    assert (jnp.abs(twice - z) <= 1e-5 * (1 + 1e-2 * steepest)).mean() > 0.999
    assert jnp.abs(twice - z).max() < 0.05


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu"])
def test_d9_planar_flows_learn_by_maximum_likelihood(activation, rng):
    """Planar and radial layers are fitted to data and sampled: both directions exist."""
    rows = np.concatenate([rng.normal(-2, 0.4, (400, 2)), rng.normal(2, 0.4, (400, 2))])
    layers = [Planar(2, key=k, activation=activation) for k in jax.random.split(jax.random.key(0))]
    flow = Pushforward(pf.transforms.Chain([*layers, Radial(jnp.zeros(2))]), StandardNormal(2))
    before = float(flow.log_prob(rows).mean())
    fitted = pf.fit(flow, rows, key=jax.random.key(1), max_epochs=15, learning_rate=0.02).model
    assert float(fitted.log_prob(rows).mean()) > before + 0.5
    assert jnp.isfinite(fitted.sample(jax.random.key(2), 1000)).all()


@pytest.mark.parametrize(
    "name", ["realnvp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("maf", "nsf"))]
)
def test_d10_double_precision_stays_double(name, rng):
    """Log-probabilities, samples, losses and fitted parameters of a float64 model are float64."""
    with jax.enable_x64(True):
        flow = pf.models.build(name, 2, key=jax.random.key(0), **SMALL)
        rows = rng.normal(size=(64, 2))
        assert flow.log_prob(rows).dtype == jnp.float64
        assert flow.sample(jax.random.key(0), 3).dtype == jnp.float64
        assert all(v.dtype == jnp.float64 for v in flow.transform.inverse(jnp.asarray(rows.T)))
        fitted = pf.fit(flow, rows, key=jax.random.key(1), max_epochs=1).model
        assert {leaf.dtype for leaf in jax.tree.leaves(pf.partition(fitted)[0])} == {
            np.dtype("float64")
        }


def test_d11_a_row_that_is_no_number_is_named(rng):
    """One NaN among 500 rows stops the fit at once, and says where it is."""
    rows = rng.normal(size=(500, 2))
    rows[123, 1] = np.nan
    flow = pf.models.maf(2, key=jax.random.key(0), **SMALL)
    with pytest.raises(DataError, match=r"data\[123, 1\] = nan"):
        pf.fit(flow, rows, key=jax.random.key(1))


def test_d12_few_rows_and_odd_batches(rng):
    """Four rows are fitted; rows beyond the last full batch count, in validation too."""
    flow = pf.models.maf(2, key=jax.random.key(0), **SMALL)
    fitted = pf.fit(flow, rng.normal(size=(4, 2)), key=jax.random.key(1), max_epochs=2)
    assert np.isfinite(fitted.history["train"]).all()
    rows = np.zeros((33, 2))
    rows[32] = 40.0  # of batches of 16, the last holds this row alone
    held = np.zeros((2049, 2))
    held[2048] = 40.0
    shown = pf.fit(
        flow,
        rows,
        key=jax.random.key(1),
        validation=held,
        batch_size=16,
        max_epochs=1,
        learning_rate=1e-9,
    ).history
    truth = -np.asarray(flow.log_prob(held)).mean()
    np.testing.assert_allclose(shown["validation"][0], truth, rtol=1e-3)
    np.testing.assert_allclose(shown["train"][0], -np.asarray(flow.log_prob(rows)).mean(), rtol=0.1)


@pytest.mark.parametrize("layer", [Coupling, MaskedAutoregressive])
@pytest.mark.parametrize("x", [9.0, 300.0, 3e4])
def test_d13_unscaled_data_come_back(layer, x, rng):
    """An affine layer brings values of any size back in float32, to their own rounding."""
    flow = perturbed(layer(2, BoundedAffine(), key=jax.random.key(0), hidden=(64, 64)), rng, 0.1)
    rows = jnp.asarray(x * rng.choice([-1, 1], (2, 500)) * rng.uniform(0.5, 1, (2, 500)))
    rows = rows.astype(jnp.float32)
    z, _ = flow.inverse(rows)
    back, _ = flow.forward(z)
    np.testing.assert_allclose(back, rows, atol=1e-3 * x)


@pytest.mark.parametrize("name", ["maf", "nsf", "realnvp"])
def test_d14_no_number_and_impossible_are_two_answers(name, rng):
    """A NaN row is NaN, a row outside the support −inf, and the rows beside them stay."""
    core = pf.models.build(name, 2, key=jax.random.key(0), **SMALL)
    flow = Pushforward(core.transform, Uniform([-1.0, -1.0], [1.0, 1.0]))
    rows = np.array([[0.1, 0.2], [np.nan, 0.2], [50.0, 0.2]])
    log_p = np.asarray(flow.log_prob(rows))
    assert np.isfinite(log_p[0])
    assert np.isnan(log_p[1])
    assert log_p[2] == -np.inf


def test_d15_sampling_costs_as_much_as_scoring(monkeypatch):
    """A masked autoregressive layer is inverted by about the work of one network call.

    Arithmetic of the compiled programs, not time: sampling may cost a few times scoring (each
    head is used in slices), and not a multiple that grows with the number of columns. Native code
    would hide its products.
    """
    monkeypatch.setattr(native, "is_there", lambda: False)
    ratios = []
    for dim in (4, 32):
        flow = pf.models.maf(dim, key=jax.random.key(0), layers=1, hidden=(64, 64))
        layer = flow.transform.unstack().parts[0]
        rows = jnp.zeros((dim, 256))
        work = [
            _products(jax.make_jaxpr(f)(rows).jaxpr)
            for f in (layer.generate, lambda v, f=layer: f.inverse(v)[0])
        ]
        ratios.append(work[0] / work[1])
    assert max(ratios) < 4, ratios
    assert ratios[1] < 2 * ratios[0], ratios


def _products(jaxpr):
    """Count the multiplications of matrix products in a program, loops unrolled."""
    total = 0
    for eqn in jaxpr.eqns:
        inner = [v for v in eqn.params.values() if isinstance(v, jax.extend.core.ClosedJaxpr)]
        times = eqn.params.get("length", 1) if eqn.primitive.name == "scan" else 1
        total += times * sum(_products(closed.jaxpr) for closed in inner)
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            depth = np.prod([eqn.invars[0].aval.shape[axis] for axis in contracted])
            total += depth * np.prod(eqn.outvars[0].aval.shape)
    return total


def test_d16_the_package_imports_without_a_warning():
    """Importing every part of the package works with warnings as errors, and changes nothing."""
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import numpyro.distributions as dist\n"
        "before = dist.Distribution._validate_args\n"
        "import pushforward as pf\n"
        "for name in pf.__all__: getattr(pf, name)\n"
        "assert dist.Distribution._validate_args == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_d17_saving_and_loading_run_no_code(tmp_path, rng):
    """A model comes back from plain data, and fitted estimators pickle in memory."""
    flow = perturbed(pf.models.nsf(2, key=jax.random.key(0), bins=4, **SMALL), rng, 0.2)
    pf.save(flow, tmp_path / "flow")
    rows = rng.normal(size=(5, 2))
    again = pf.load(tmp_path / "flow")
    np.testing.assert_array_equal(again.log_prob(rows), flow.log_prob(rows))
    assert eqx.tree_equal(pickle.loads(pickle.dumps(flow)), flow)
    assert not list((tmp_path / "flow").glob("*.p*kl*"))


@pytest.mark.parametrize("name", ["maf", "realnvp"])
def test_d18_an_affine_flow_of_one_column_says_that_it_is_gaussian(name):
    """In one dimension an affine layer is Gaussian: the recipe says so."""
    with pytest.warns(UserWarning, match="Gaussian"):
        pf.models.build(name, 1, key=jax.random.key(0), **SMALL)


@pytest.mark.slow
def test_d18_a_spline_flow_of_one_column_is_not_gaussian():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(-3, 0.4, (500, 1)), rng.normal(3, 0.4, (500, 1))])
    flow = pf.models.nsf(1, key=jax.random.key(0), **SMALL)
    fitted = pf.fit(flow, rows, key=jax.random.key(1), max_epochs=30, learning_rate=0.01).model
    gaussian = -0.5 * np.log(2 * np.pi * np.e * rows.var())
    assert float(fitted.log_prob(rows).mean()) > gaussian + 0.8
