"""Learning from an unnormalized target: gradients, bounds, Pareto tails and whole posteriors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

import pushforward as pf
from laws import perturbed
from laws.anything import buffers
from pushforward.core.errors import DataError, FitError, OptionError, ShapeError
from pushforward.densities import (
    Pushforward,
    StandardNormal,
    Uniform,
    diagonal_gaussian,
    full_gaussian,
    gaussian_mixture,
)
from pushforward.fitting import (
    FreeEnergy,
    RenyiBound,
    Stage,
    fit_to_target,
    importance,
    laplace,
    numpyro_target,
    pareto_smoothed,
    pareto_tail,
)
from pushforward.transforms import Affine

ONE = Stage(jnp.asarray(1.0))
FACTOR = np.array([[1.5, 0.0], [-0.7, 0.4]])
TRUTH = full_gaussian([1.0, -2.0], FACTOR)
LOG_Z = 3.0


def log_target(rows):
    """A Gaussian with the constant e³."""
    return TRUTH.log_prob(rows) + LOG_Z


def gradient(objective, model, key, stage=ONE):
    params, rest = pf.partition(model)
    return jax.grad(lambda p: objective(pf.combine(p, rest), stage, key)[0])(params)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def divergence(loc, scale):
    """KL of N(loc, diag scale²) from the truth, in closed form."""
    precision = np.linalg.inv(FACTOR @ FACTOR.T)
    off = np.asarray(loc) - [1.0, -2.0]
    trace = (np.diag(precision) * np.square(scale)).sum()
    log_ratio = 2 * np.log(np.diag(FACTOR)).sum() - 2 * np.log(scale).sum()
    return 0.5 * (trace + off @ precision @ off - 2 + log_ratio)


@pytest.mark.parametrize("stick", [True, False])
def test_free_energy_is_the_divergence_less_log_z(stick):
    model = diagonal_gaussian([0.5, -1.0], [0.8, 0.6])
    values = jax.lax.map(
        lambda key: FreeEnergy(log_target, 500, stick)(model, ONE, key)[0],
        jax.random.split(jax.random.key(0), 100),
    )
    expected = divergence([0.5, -1.0], [0.8, 0.6]) - LOG_Z
    assert abs(float(values.mean()) - expected) < 4 * float(values.std()) / 10


def test_the_power_of_the_target_is_that_of_the_stage():
    model = diagonal_gaussian([0.0, 0.0], [1.0, 1.0])
    key = jax.random.key(0)
    cold, warm, half = (
        float(FreeEnergy(log_target)(model, Stage(jnp.asarray(beta)), key)[0])
        for beta in (1.0, 0.0, 0.5)
    )
    assert half == pytest.approx((cold + warm) / 2, rel=1e-5)


def test_a_support_that_moves_has_its_part_of_the_gradient():
    """X = sU, U ~ U[−1, 1], on a standard normal: F = s²/6 − log 2s + ½ log 2π, F′ = s/3 − 1/s."""
    model = Pushforward(Affine(jnp.zeros(1), jnp.ones(1)), Uniform([-1.0], [1.0]))

    def free_energy(s):
        wider = eqx.tree_at(lambda m: m.transform, model, Affine(jnp.zeros(1), s * jnp.ones(1)))
        return FreeEnergy(lambda x: -0.5 * jnp.square(x).sum(-1), 20_000)(
            wider, ONE, jax.random.key(0)
        )[0]

    for s in (0.7, 1.0, 3.0):
        assert abs(jax.grad(free_energy)(s) - (s / 3 - 1 / s)) < 0.03 * s  # 5 s.e.


def test_sticking_the_landing_keeps_the_mean_and_loses_the_noise_at_the_truth():
    model = diagonal_gaussian([0.5, -1.0], [0.8, 0.6])
    keys = jax.random.split(jax.random.key(0), 2000)
    stuck, plain = (
        np.asarray(
            jax.lax.map(
                lambda key, s=stick: jnp.concatenate(
                    [
                        leaf.ravel()
                        for leaf in jax.tree.leaves(
                            gradient(FreeEnergy(log_target, 16, s), model, key)
                        )
                    ]
                ),
                keys,
            )
        )
        for stick in (True, False)
    )
    error = np.sqrt((stuck.var(0) + plain.var(0)) / len(keys))
    assert (np.abs(stuck.mean(0) - plain.mean(0)) < 4.5 * error).all()
    at_truth = [
        np.abs(flat(gradient(FreeEnergy(log_target, 64, stick), TRUTH, keys[0]))).max()
        for stick in (True, False)
    ]
    assert at_truth[0] < 1e-4 < 1e-2 < at_truth[1]  # rounding of float32 against noise


def test_renyi_bounds_are_ordered_and_below_log_z():
    """Each is at most log Z = 3; α → 1 gives the ELBO; smaller α are tighter."""
    model = diagonal_gaussian([0.5, -1.0], [0.8, 0.6])
    keys = jax.random.split(jax.random.key(1), 200)
    bounds = [
        -np.asarray(jax.lax.map(lambda k, f=f: f(model, ONE, k)[0], keys))
        for f in (*(RenyiBound(log_target, a, 200) for a in (0.0, 0.5, 0.999)),)
    ]
    elbo = -np.asarray(
        jax.lax.map(lambda k: FreeEnergy(log_target, 200, False)(model, ONE, k)[0], keys)
    )
    means = [bound.mean() for bound in bounds]
    assert LOG_Z + 4 * bounds[0].std() / 14 > means[0] > means[1] > means[2]
    np.testing.assert_allclose(bounds[2], elbo, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(
        RenyiBound(log_target, 0.0, 64)(TRUTH, ONE, keys[0])[0], -LOG_Z, 1e-4
    )


@pytest.mark.parametrize("kind", ["free_energy", "renyi"])
def test_a_gaussian_is_found(kind):
    objective = RenyiBound(log_target, 0.5, 128) if kind == "renyi" else None
    start = full_gaussian(jnp.zeros(2), jnp.eye(2))
    fitted = fit_to_target(
        start,
        log_target,
        key=jax.random.key(0),
        steps=1200,
        draws=128,
        learning_rate=0.03,
        objective=objective,
    )
    learned = fitted.model.transform
    np.testing.assert_allclose(learned.loc, [1.0, -2.0], atol=0.05)
    np.testing.assert_allclose(learned._factor(jnp.zeros(2))[0], FACTOR, atol=0.05)
    assert fitted.stopped_by == "max_steps"
    assert len(fitted.history["validation"]) == 24
    assert min(fitted.history["validation"]) == pytest.approx(-LOG_Z, abs=0.02)


@pytest.mark.slow
def test_annealing_finds_both_modes_and_a_seed_repeats():
    """Half of the samples in each of two far modes (± 0.15: the bridge is hard to cut)."""
    modes = gaussian_mixture([[-2.5], [2.5]], [[0.7], [0.7]])
    flow = pf.models.nsf(1, key=jax.random.key(0), layers=2, hidden=(8,), bins=8, bound=6.0)
    options = {"key": jax.random.key(1), "learning_rate": 0.02, "anneal": 0.6}
    fits = [fit_to_target(flow, modes.log_prob, steps=20, **options) for _ in range(2)]
    for a, b in zip(*(jax.tree.leaves(f.model) for f in fits), strict=True):
        np.testing.assert_array_equal(a, b)
    model = fit_to_target(flow, modes.log_prob, steps=600, **options).model
    share = np.mean(np.asarray(model.sample(jax.random.key(2), 4000)) > 0)
    assert 0.35 < share < 0.65
    for a, b in zip(buffers(flow), buffers(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_leaf_moves_and_odd_steps_are_skipped(rng):
    """A target that is NaN far out spoils some steps; the fit goes on and is finite."""
    flow = pf.models.realnvp(2, key=jax.random.key(0), layers=2, hidden=(8,))

    def holed(rows):
        return jnp.where((jnp.abs(rows) > 3.6).any(-1), jnp.nan, log_target(rows - 0.5) / 4)

    fitted = fit_to_target(flow, holed, key=jax.random.key(1), steps=200, draws=32)
    assert 0 < fitted.history["skipped"][-1] < 150
    leaves = [jax.tree.leaves(pf.partition(m)[0]) for m in (flow, fitted.model)]
    assert all(np.isfinite(leaf).all() for leaf in leaves[1])

    fitted = fit_to_target(flow, log_target, key=jax.random.key(1), steps=100, draws=32)
    pairs = zip(leaves[0], jax.tree.leaves(pf.partition(fitted.model)[0]), strict=True)
    assert all((np.asarray(a) != np.asarray(b)).any() for a, b in pairs)


def test_what_cannot_be_learned_is_said():
    flow, key = StandardNormal(2), jax.random.key(0)
    with pytest.raises(ShapeError, match="log_target"):
        fit_to_target(flow, lambda rows: rows, key=key)
    mixture = gaussian_mixture(jnp.zeros((2, 2)), jnp.ones((2, 2)))
    conditional = pf.models.maf(2, key=key, context_dim=1)
    start = full_gaussian(jnp.zeros(2), jnp.eye(2))
    with pytest.raises(OptionError, match="mixture"):
        fit_to_target(Pushforward(pf.transforms.Sinh(), mixture), log_target, key=key)
    with pytest.raises(ShapeError, match="context"):
        fit_to_target(conditional, log_target, key=key)
    with pytest.raises(FitError, match="free energy"):
        fit_to_target(start, lambda rows: rows[:, 0] * jnp.nan, key=key, steps=50)
    for options in ({"steps": 0}, {"anneal": 2.0}, {"learning_rate": -1.0}, {"draws": 0}):
        with pytest.raises(OptionError):
            fit_to_target(flow, log_target, key=key, **options)
    with pytest.raises(OptionError, match="alpha"):
        RenyiBound(log_target, 1.0)


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.3, 0.7, 1.2])
def test_the_shape_of_a_pareto_tail(k, rng):
    """Mean over 200 fits to 500 simulated values: within 0.05 of the known shape."""
    fits = [
        pareto_tail(stats.genpareto.rvs(k, scale=2.0, size=500, random_state=rng))
        for _ in range(200)
    ]
    shape, scale = np.mean(fits, 0)
    weighted = (500 * k + 10 * 0.5) / 510  # what the weak prior makes of it
    assert abs(shape - weighted) < 0.03
    assert abs(scale - 2) < 0.1


def test_the_tail_of_importance_weights_has_the_shape_that_theory_gives():
    """q = exponential of rate 1, p = rate λ < 1: the weights' tail has k = 1 − λ exactly."""
    x = np.random.default_rng(0).exponential(size=200_000)
    for rate in (0.3, 0.6, 0.9):
        log_w = np.log(rate) + (1 - rate) * x
        smoothed, k = pareto_smoothed(log_w)
        assert abs(k - (1 - rate)) < 0.1
        assert smoothed.max() <= log_w.max()
        same = np.argsort(log_w)[: -int(3 * np.sqrt(len(x))) - 1]
        np.testing.assert_array_equal(smoothed[same], log_w[same])
        order = np.argsort(log_w)
        assert (np.diff(smoothed[order]) >= 0).all()


def test_tails_that_are_none():
    assert pareto_smoothed(np.zeros(1000))[1] == -np.inf
    assert np.isnan(pareto_smoothed(np.arange(10.0))[1])
    log_w = np.r_[np.full(500, -np.inf), np.random.default_rng(0).standard_normal(500)]
    assert np.isfinite(pareto_smoothed(log_w)[1])
    for bad in ([0.0, np.nan], [np.inf, 0.0], [-np.inf, -np.inf]):
        with pytest.raises(DataError):
            pareto_smoothed(np.array(bad))
    with pytest.raises(DataError):
        pareto_tail(np.zeros(10))


def test_importance_weights_correct_a_wide_model(rng):
    """Means, evidence and bound of a Gaussian target from a wider Gaussian (4 s.e.)."""
    model = full_gaussian([0.5, -1.5], FACTOR * 1.6)
    found = importance(model, log_target, key=jax.random.key(0), n=20_000)
    assert found.k_hat < 0.3 < found.k_limit
    assert 2000 < found.ess < 20_000
    assert abs(float(found.log_evidence.value) - LOG_Z) < 4 * float(found.log_evidence.std_error)
    assert float(found.elbo.value) < float(found.log_evidence.value)
    mean = found.mean()
    assert (np.abs(mean.value - np.array([1.0, -2.0])) < 4 * np.asarray(mean.std_error)).all()
    spread = found.mean((found.draws - [1.0, -2.0]) ** 2)
    truth = np.diag(FACTOR @ FACTOR.T)
    assert (np.abs(spread.value - truth) < 4 * np.asarray(spread.std_error)).all()
    assert (found.log_evidence.kind, found.elbo.kind, mean.kind) == ("lower", "lower", "consistent")
    assert "k_hat" in repr(found)
    assert "<b>" in found._repr_html_()
    assert np.exp(found.smoothed).sum() == pytest.approx(1)


def test_a_model_that_is_the_target_and_one_that_is_too_narrow():
    same = importance(TRUTH, log_target, key=jax.random.key(0), n=2000)
    assert same.ess == pytest.approx(2000, rel=1e-3)
    assert float(same.elbo.value) == pytest.approx(LOG_Z, abs=1e-4)
    narrow = importance(
        diagonal_gaussian([0.0], [0.4]), StandardNormal(1).log_prob, key=jax.random.key(0)
    )
    assert narrow.k_hat > narrow.k_limit
    assert "do not trust" in repr(narrow)
    mixture = gaussian_mixture(jnp.zeros((2, 2)), jnp.ones((2, 2)))
    assert importance(mixture, log_target, key=jax.random.key(0), n=500).ess > 1
    with pytest.raises(DataError, match="log-weight"):
        importance(TRUTH, lambda rows: rows[:, 0] * jnp.nan, key=jax.random.key(0))
    with pytest.raises(OptionError, match="draws"):
        importance(TRUTH, log_target, key=jax.random.key(0), n=10)


def test_laplace_is_exact_for_a_gaussian_and_survives_flat_directions():
    found = laplace(log_target, jnp.zeros(2)).transform
    np.testing.assert_allclose(found.loc, [1.0, -2.0], atol=1e-2)
    np.testing.assert_allclose(found._factor(jnp.zeros(2))[0], FACTOR, rtol=1e-2, atol=1e-3)
    flat_one = laplace(lambda rows: -0.5 * rows[:, 0] ** 2, jnp.ones(2)).transform
    np.testing.assert_allclose(np.diag(flat_one._factor(jnp.zeros(2))[0]), [1, 10], rtol=1e-3)
    with pytest.raises(FitError, match="climb"):
        laplace(lambda rows: rows[:, 0] * jnp.nan, jnp.ones(1))


def test_a_numpyro_model_as_target(rng):
    """The unconstrained log-density has its Jacobian: the evidence is the closed form's."""
    y = jnp.array([0.5, 2.0, 1.0])

    def model(y):
        rate = numpyro.sample("rate", dist.Gamma(2.0, 1.0))
        numpyro.deterministic("mean", 1 / rate)
        numpyro.sample("y", dist.Exponential(rate).expand((3,)).to_event(1), obs=y)

    target = numpyro_target(model, (y,), key=jax.random.key(0))
    assert target.dim == 1
    side = jnp.linspace(-12, 6, 4001)[:, None]
    evidence = float(jnp.exp(target.log_prob(side)).sum() * (side[1] - side[0])[0])
    # ∫ λ e^{−λ} λ³ e^{−3.5 λ} dλ = Γ(5) / 4.5⁵
    assert evidence == pytest.approx(24 / 4.5**5, rel=1e-4)
    sites = target.constrain(jnp.zeros((2, 1)))
    np.testing.assert_allclose(sites["rate"], 1.0)
    np.testing.assert_allclose(sites["mean"], 1.0)
    flow = laplace(target.log_prob, target.start)
    weighed = importance(flow, target.log_prob, key=jax.random.key(1))
    drawn = np.asarray(target.constrain(weighed.draws)["rate"])
    mean = weighed.mean(drawn)
    assert abs(float(mean.value) - 5 / 4.5) < 4 * float(mean.std_error)


def test_a_perturbed_flow_keeps_its_evidence(rng):
    """Whatever the flow, weights are unbiased: mean weight = Z within 4 s.e."""
    flow = perturbed(pf.models.realnvp(2, key=jax.random.key(0), layers=2, hidden=(8,)), rng, 0.1)
    wide = Pushforward(pf.Chain([flow.transform, pf.transforms.Affine(0.0, 3.0)]), flow.density)
    found = importance(wide, log_target, key=jax.random.key(1), n=40_000)
    error = 4 * float(found.log_evidence.std_error)
    assert abs(float(found.log_evidence.value) - LOG_Z) < error < 0.5
