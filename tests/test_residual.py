"""Residual flows: the inverse is found, the norm is a bound, the estimate has the right mean."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pushforward as pf
from laws import perturbed
from pushforward.core.contraction import solve_contraction
from pushforward.core.errors import EvidenceError, KeyRequiredError, OptionError
from pushforward.nets.lipschitz import ACTIVATIONS, LipschitzNet, spectral_bound
from pushforward.transforms import Residual

DRAWS = 4000


def steep(log_det="exact", dim=4, context_dim=0):
    """Return a layer whose slope is of the order of its bound: few units, large weights."""
    layer = Residual(
        dim, key=jax.random.key(0), context_dim=context_dim, hidden=(dim,), log_det=log_det
    )
    return perturbed(layer, np.random.default_rng(5), 3.0)


def slopes(layer, x):
    """Return the largest singular value of ∂g/∂x at each event."""
    jacobian = jax.vmap(jax.jacrev(lambda v: layer.inverse(v)[0]), 1)(x) - np.eye(len(x))
    return np.linalg.norm(np.asarray(jacobian), 2, axis=(1, 2))


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (64, 64), (40, 3), (3, 40)])
def test_the_bound_is_above_the_norm_and_close(shape, rng):
    with jax.enable_x64(True):
        for scale in (1e-20, 1.0, 1e20):
            weight = jnp.asarray(scale * rng.normal(size=shape))
            ratio = float(spectral_bound(weight)) / np.linalg.norm(weight, 2)
            assert 1 - 1e-12 <= ratio <= min(shape) ** (1 / 2**8) + 1e-12
    orthogonal = jnp.asarray(np.linalg.qr(rng.normal(size=(30, 30)))[0], jnp.float32)
    assert 1 - 1e-5 <= float(spectral_bound(orthogonal)) <= 30 ** (1 / 2**8) + 1e-5
    assert float(spectral_bound(jnp.zeros(shape))) == 0
    slope = jax.grad(spectral_bound)
    for weight in (jnp.zeros(shape), jnp.ones(shape), 1e-30 * jnp.ones(shape)):
        assert np.isfinite(slope(weight)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_net_contracts(activation, rng):
    """Whatever the parameters, no two points get further apart than the bound allows."""
    with jax.enable_x64(True):
        net = LipschitzNet(3, (3, 3), key=jax.random.key(0), activation=activation, bound=0.9)
        for spread in (0.3, 3.0, 30.0):
            moved = perturbed(net, rng, spread)
            x = jnp.asarray(rng.normal(size=(3, 500)) * 3)
            jacobian = jax.vmap(jax.jacrev(lambda v, m=moved: m(v)), 1)(x)
            assert np.linalg.norm(np.asarray(jacobian), 2, axis=(1, 2)).max() <= 0.9


@pytest.mark.parametrize(
    "wide", [pytest.param(True, marks=pytest.mark.slow), False], ids=["float64", "float32"]
)
def test_d8_the_inverse_has_converged(wide, rng):
    """Round trips at rounding level at every size (torchflows' residual flows: 4e-2)."""
    with jax.enable_x64(wide):
        layer = steep()
        sizes = np.repeat([0.0, 1e-6, 1.0, 10.0, 1e2, 1e4], 20)
        z = jnp.asarray(sizes * rng.normal(size=(4, 120)), jnp.result_type(float))
        assert slopes(layer, z).max() > 0.2
        x = jax.jit(lambda v: layer.generate(v))(z)
        back = layer.inverse(x)[0]
        eps = float(jnp.finfo(z.dtype).eps)
        assert (np.abs(back - z) <= 100 * eps * (1 + np.abs(z).max(0))).all()


@pytest.mark.slow
@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
def test_d8_a_whole_residual_flow_comes_back(wide, rng):
    with jax.enable_x64(wide):
        model = pf.models.iresnet(2, key=jax.random.key(0), layers=4, hidden=(16, 16))
        model = perturbed(model, rng, 0.5)
        x = model.sample(jax.random.key(1), 200).T
        there, _ = model.transform.inverse(x)
        eps = float(jnp.finfo(x.dtype).eps)
        assert np.abs(model.transform.forward(there)[0] - x).max() < 1e5 * eps


def test_the_steepest_map_that_is_allowed_is_inverted():
    """g(x) = ±0.9 x leaves 0.1 x or 1.9 x: the slowest convergence that can happen."""
    with jax.enable_x64(True):
        z = jnp.array([[1.0, -3.0, 1e6, 0.0]])
        for slope in (0.9, -0.9):
            x = solve_contraction(lambda v, a=slope: a * v, z, 0.9)
            np.testing.assert_allclose(x, z / (1 + slope), rtol=1e-13)


def test_what_does_not_converge_is_no_number():
    """A map that breaks its promise gives NaN, not the last iterate, and only where it does."""
    z = jnp.array([[1.0, 0.0, jnp.nan, 2.0]])
    x = solve_contraction(lambda v: jnp.where(jnp.abs(v) > 1.5, 1.5 * v, 0.0), z, 0.9)
    np.testing.assert_array_equal(np.isnan(x[0]), [False, False, True, True])
    np.testing.assert_array_equal(x[0, :2], [1.0, 0.0])


@pytest.mark.slow
def test_gradients_of_samples_are_those_of_the_implicit_function(rng):
    """By the latent, the parameters and the context; in both modes; against differences."""
    with jax.enable_x64(True):
        layer = steep(context_dim=2)
        z = jnp.asarray(rng.normal(size=(4, 3)))
        context = jnp.asarray(rng.normal(size=(2, 3)))
        params, rest = pf.partition(layer)

        def total(params, z, context):
            return jnp.sin(pf.combine(params, rest).generate(z, context)).sum()

        slope = jax.grad(total, (0, 1, 2))(params, z, context)
        step = 1e-6
        direction = jax.tree.map(
            lambda v: jnp.asarray(rng.normal(size=v.shape)), (params, z, context)
        )
        ahead, behind = (
            total(
                *jax.tree.map(lambda v, d, s=s: v + s * step * d, (params, z, context), direction)
            )
            for s in (1, -1)
        )
        along = sum(
            (a * b).sum()
            for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(direction), strict=True)
        )
        np.testing.assert_allclose(along, (ahead - behind) / (2 * step), rtol=1e-6)
        _, forward = jax.jvp(total, (params, z, context), direction)
        np.testing.assert_allclose(along, forward, rtol=1e-10)


@pytest.mark.slow
def test_the_estimate_is_unbiased(rng):
    """The mean of many estimates is the exact log-determinant, within 3 standard errors."""
    with jax.enable_x64(True):
        exact, roulette = steep("exact"), steep("roulette")
        x = jnp.asarray(rng.normal(size=(4, 3)))
        want = exact.inverse(x)[1]
        jacobian = jax.vmap(jax.jacrev(lambda v: exact.inverse(v)[0]), 1)(x)
        np.testing.assert_allclose(want, np.linalg.slogdet(jacobian)[1], rtol=1e-12)
        keys = jax.random.split(jax.random.key(7), DRAWS)
        drawn = jax.jit(jax.vmap(lambda key: roulette.inverse(x, key=key)[1]))(keys)
        error = drawn.std(0) / DRAWS**0.5
        assert (error < 0.05).all()
        assert (np.abs(drawn.mean(0) - want) <= 3 * error).all(), (drawn.mean(0) - want, error)


@pytest.mark.slow
def test_the_gradient_of_the_estimate_is_unbiased(rng):
    """By data and by parameters, within 4.5 standard errors each."""
    with jax.enable_x64(True):
        exact, roulette = steep("exact"), steep("roulette")
        x = jnp.asarray(rng.normal(size=(4, 2)))

        def slope(layer, key):
            params, rest = pf.partition(layer)
            total = lambda p, v: pf.combine(p, rest).inverse(v, key=key)[1].sum()  # noqa: E731
            return jax.tree.leaves(jax.grad(total, (0, 1))(params, x))

        want = slope(exact, None)
        keys = jax.random.split(jax.random.key(8), 1000)
        drawn = jax.jit(jax.vmap(lambda key: slope(roulette, key)))(keys)
        for a, b in zip(drawn, want, strict=True):
            error = np.asarray(a).std(0) / len(keys) ** 0.5
            assert (np.abs(np.asarray(a).mean(0) - b) <= 4.5 * error + 1e-12).all()


def test_the_same_key_gives_the_same_number(rng):
    layer = steep("roulette")
    x = jnp.asarray(rng.normal(size=(4, 5)), jnp.float32)
    key = jax.random.key(3)
    z, there = layer.inverse(x, key=key)
    back, again = layer.forward(z, key=key)
    np.testing.assert_allclose(back, x, atol=1e-5)
    np.testing.assert_allclose(there, again, atol=1e-4)
    with pytest.raises(KeyRequiredError):
        layer.inverse(x)
    np.testing.assert_array_equal(layer.generate(z), back)


def test_a_density_says_that_its_number_is_an_estimate(rng):
    """log_prob is refused; the estimate's error is its own, and covers the exact value."""
    with jax.enable_x64(True):
        options = {"layers": 2, "hidden": (3,)}
        models = [
            perturbed(build(3, key=jax.random.key(0), **options), np.random.default_rng(2), 1.5)
            for build in (pf.models.iresnet, pf.models.residual_flow)
        ]
        exact, estimated = models
        assert str(estimated.evidence) == "estimate"
        rows = rng.normal(size=(50, 3))
        with pytest.raises(EvidenceError, match="estimate_log_prob"):
            estimated.log_prob(rows)
        with pytest.raises(EvidenceError):
            exact.estimate_log_prob(rows, key=jax.random.key(0))
        with pytest.raises(EvidenceError):
            estimated.elbo(rows, key=jax.random.key(0))
        answer = estimated.estimate_log_prob(rows, key=jax.random.key(1), n=200)
        assert answer.kind == "unbiased"
        off = (np.asarray(answer.value) - exact.log_prob(rows)) / np.asarray(answer.std_error)
        assert np.abs(off).max() < 6
        assert 0.7 < off.std() < 1.4
        one = estimated.estimate_log_prob(rows[0], key=jax.random.key(1), n=1)
        assert one.value.shape == ()
        assert np.isinf(one.std_error)
        spoiled = rows.copy()
        spoiled[0, 0], spoiled[1, 1] = np.nan, np.inf
        answer = estimated.estimate_log_prob(spoiled, key=jax.random.key(1), n=3)
        assert np.isnan(answer.value[0])
        assert answer.value[1] == -np.inf
        assert np.isfinite(answer.value[2:]).all()


@pytest.mark.slow
def test_it_learns_without_a_likelihood(rng):
    """Fitted by estimates on a ring, it beats the untrained normal by 0.3 nats."""
    angle = rng.uniform(0, 2 * np.pi, 1000)
    rows = np.stack([np.cos(angle), np.sin(angle)], 1) * 1.4 + 0.15 * rng.normal(size=(1000, 2))
    model = pf.models.residual_flow(2, key=jax.random.key(0), layers=4, hidden=(16, 16))
    fitted = pf.fit(model, rows, key=jax.random.key(1), max_epochs=60, learning_rate=1e-2).model
    before, after = (
        m.estimate_log_prob(rows, key=jax.random.key(2), n=8).value.mean() for m in (model, fitted)
    )
    assert after > before + 0.3, (before, after)


@pytest.mark.parametrize(
    "wrong", [{"activation": "relu"}, {"hidden": ()}, {"log_det": "hutchinson"}, {"dim": 0}]
)
def test_what_cannot_be_built(wrong):
    with pytest.raises(OptionError):
        Residual(**{"dim": 2, "key": jax.random.key(0), **wrong})
