"""Learning: every leaf moves, buffers stay, fits improve, seeds repeat, bad rows are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import pushforward as pf
from cases import MODELS
from laws import perturbed
from laws.anything import buffers
from pushforward.core.errors import DataError, FitError, OptionError
from pushforward.fitting import TrainingNoise
from pushforward.fitting.noise import thin

SMALL = {"layers": 2, "hidden": (16, 16), "bins": 4}
SMALL_MAF = {"layers": 2, "hidden": (16, 16)}


def moons(rng, n):
    angle = rng.uniform(0, np.pi, n)
    side = rng.integers(0, 2, n)
    x = np.where(side, 1 - np.cos(angle), np.cos(angle))
    y = np.where(side, 0.5 - np.sin(angle), np.sin(angle))
    return np.stack([x - 0.5, y - 0.25], 1) * 1.5 + 0.1 * rng.standard_normal((n, 2))


@pytest.mark.parametrize("name", ["gaussian", "maf_context"])
def test_every_leaf_moves_and_no_buffer(name, rng):
    case = MODELS[name]
    model = case.make(jax.random.key(0))
    x = rng.standard_normal((400, case.dim)) * 2 + 1
    context = rng.standard_normal((400, case.context_dim)) if case.context_dim else None
    # Two steps at least: heads start at zero, so the first step cannot reach what is below them.
    after = pf.fit(model, x, key=jax.random.key(1), context=context, max_epochs=4, patience=9).model
    p0, p1 = pf.partition(model)[0], pf.partition(after)[0]
    for a, b in zip(jax.tree.leaves(p0), jax.tree.leaves(p1), strict=True):
        assert (np.asarray(a) != np.asarray(b)).any()
    for a, b in zip(buffers(model), buffers(after), strict=True):
        np.testing.assert_array_equal(a, b)
    before, now = (float(m.log_prob(x, context).mean()) for m in (model, after))
    assert now > before + 0.05  # data are off by one and twice as wide: worth 0.1 nats at least


def test_fit_repeats_and_beats_the_untrained_model(rng):
    x, fresh = moons(rng, 2000), moons(rng, 2000)
    model = pf.models.nsf(2, key=jax.random.key(0), **SMALL)
    fits = [pf.fit(model, x, key=jax.random.key(1), max_epochs=20) for _ in range(2)]
    for a, b in zip(*(jax.tree.leaves(f.model) for f in fits), strict=True):
        np.testing.assert_array_equal(a, b)
    gain = np.asarray(fits[0].model.log_prob(fresh) - model.log_prob(fresh))
    assert gain.mean() > 0.3
    assert fits[0].stopped_by == "max_epochs"
    assert len(fits[0].history["epoch"]) == 20


def test_model_is_not_worse_than_given_on_validation_rows(rng):
    x = rng.standard_normal((200, 1))
    model = pf.models.gaussian(1, key=jax.random.key(0))
    fitted = pf.fit(
        model, 30 + x, key=jax.random.key(1), validation=x, max_epochs=5, learning_rate=0.1
    )
    assert float(fitted.model.log_prob(x).mean()) >= float(model.log_prob(x).mean())


def test_weights_count_as_repetition(rng):
    x = rng.standard_normal((300, 2))
    weights = rng.integers(1, 4, 300)
    start = pf.models.gaussian(2, key=jax.random.key(0))
    options = {
        "key": jax.random.key(1),
        "validation": 0,
        "max_epochs": 300,
        "learning_rate": 0.03,
        "patience": 999,
    }
    weighted = pf.fit(start, x, weights=weights, **options).model
    repeated = pf.fit(start, np.repeat(x, weights, 0), **options).model
    # Both end at the same optimum, up to what the last small steps leave: 0.02 nats.
    np.testing.assert_allclose(weighted.log_prob(x), repeated.log_prob(x), atol=0.05)


def test_patience_and_time_stop(rng):
    x = rng.standard_normal((100, 1))
    model = pf.models.gaussian(1, key=jax.random.key(0))
    fitted = pf.fit(model, x, key=jax.random.key(1), max_epochs=5000, patience=3)
    assert fitted.stopped_by == "patience"
    quick = pf.fit(model, x, key=jax.random.key(1), max_epochs=10**6, patience=10**6, max_time=0.5)
    assert quick.stopped_by == "max_time"


def test_many_rows_are_seen_by_the_share(rng, monkeypatch):
    """Of 16 batches an epoch takes 4: their mean loss is that of all rows, weights counted."""
    monkeypatch.setattr("pushforward.fitting.plan._MOST_STEPS", 4)
    x, weights = rng.standard_normal((1000, 1)) * 2, rng.uniform(0, 2, 1000)
    model = pf.models.gaussian(1, key=jax.random.key(0))
    options = {"max_epochs": 200, "patience": 999, "learning_rate": 1e-9, "batch_size": 64}
    found = pf.fit(model, x, key=jax.random.key(1), weights=weights, validation=0, **options)
    losses = np.array(found.history["train"])
    assert len(losses) == 200
    each = -np.asarray(model.log_prob(x))
    # 250 rows of 1,000 without repetition: three quarters of the variance, in 200 means of them.
    error = (weights / weights.mean() * (each - np.average(each, weights=weights))).std()
    assert losses.mean() == pytest.approx(
        np.average(each, weights=weights), abs=4 * error / np.sqrt(250 * 200)
    )
    assert 0.4 < losses.std() / (error * np.sqrt(0.75 / 250)) < 1.6


def test_sharded_is_single(rng):
    if len(jax.devices()) < 2:
        pytest.skip("needs two devices")
    x = rng.standard_normal((256, 2)) + 1
    model = pf.models.maf(2, key=jax.random.key(0), layers=1, hidden=(8,))
    options = {"key": jax.random.key(1), "max_epochs": 3, "batch_size": 64}
    single = pf.fit(model, x, **options).model
    sharded = pf.fit(model, x, mesh=Mesh(np.array(jax.devices()[:2]), ("rows",)), **options).model
    # Sums over rows in another order: float32 rounding over a dozen Adam steps.
    np.testing.assert_allclose(single.log_prob(x), sharded.log_prob(x), atol=1e-3)


def test_bad_rows_are_named_and_bad_options_refused(rng):
    model = pf.models.gaussian(2, key=jax.random.key(0))
    x = rng.standard_normal((50, 2))
    x[7, 1] = np.nan
    with pytest.raises(DataError, match=r"data\[7, 1\] = nan"):
        pf.fit(model, x, key=jax.random.key(1))
    with pytest.raises(DataError, match="negative"):
        pf.fit(model, x[:5], key=jax.random.key(1), weights=[1, 1, -1, 1, 1])
    with pytest.raises(OptionError):
        pf.fit(model, x[:5], key=jax.random.key(1), validation=1.5)
    outside = pf.models.build("gaussian", 1, key=jax.random.key(0))
    positive = pf.Pushforward(pf.Chain([outside.transform, pf.transforms.Exp()]), outside.density)
    with pytest.raises(FitError, match="no finite loss"):
        pf.fit(positive, -np.ones((20, 1)), key=jax.random.key(1), max_epochs=2)


def test_one_bad_batch_is_skipped(rng):
    """A row with a density of zero makes a batch's loss infinite; learning goes on without it."""
    x = np.exp(rng.standard_normal((640, 1)))
    x[5] = -1.0
    start = pf.models.gaussian(1, key=jax.random.key(0))
    model = pf.Pushforward(pf.Chain([start.transform, pf.transforms.Exp()]), start.density)
    fitted = pf.fit(
        model, x, key=jax.random.key(1), validation=np.exp(x[10:60] * 0 + 0.5), max_epochs=3
    )
    assert fitted.history["skipped"][-1] == 3
    assert np.isfinite(np.asarray(fitted.model.log_prob(x[10:]))).all()


@pytest.mark.parametrize("n", [2, 3, 7, 33])
def test_few_rows(n, rng):
    model = pf.models.gaussian(2, key=jax.random.key(0))
    fitted = pf.fit(model, rng.standard_normal((n, 2)), key=jax.random.key(1), max_epochs=2)
    assert np.isfinite(np.asarray(fitted.model.log_prob(np.zeros(2))))


def test_dropout_keeps_the_mean_and_frees_the_rows(rng):
    model = pf.models.maf(3, key=jax.random.key(0), layers=2, hidden=(64,), activation="relu")
    thinned = thin(model, 0.25, 500, jax.random.key(1))
    gates = [g for g in jax.tree.leaves(thinned) if g.shape[-1:] == (500,)]
    assert len(gates) == 1  # one hidden layer, stacked over the scan
    assert gates[0].shape == (2, 64, 500)
    assert abs(float(gates[0].mean()) - 1) < 0.02  # 64,000 draws: s.e. 0.0023
    assert set(np.unique(gates[0])) == {0.0, np.float32(256 / 192)}


def test_training_noise_spreads_over_cells(rng):
    noise = TrainingNoise(0.0, jnp.array([0.0, 2.0]))
    batch = pf.fitting.Batch(jnp.zeros((2000, 2)), None, jnp.ones(2000))
    _, noisy = noise(None, batch, jax.random.key(0))
    assert (np.asarray(noisy.x[:, 0]) == 0).all()
    assert -1 <= float(noisy.x[:, 1].min()) < -0.98
    assert 0.98 < float(noisy.x[:, 1].max()) <= 1


def test_killed_fit_goes_on_where_it_was(rng, tmp_path, monkeypatch):
    x = moons(rng, 500)
    model = pf.models.maf(2, key=jax.random.key(0), layers=1, hidden=(8,))
    options = {"key": jax.random.key(1), "max_epochs": 60, "patience": 99}
    whole = pf.fit(model, x, **options)
    path = tmp_path / "state.safetensors"
    module = __import__("pushforward.fitting.gradient", fromlist=["gradient"])
    monkeypatch.setattr(module, "_CHECKPOINT_SECONDS", 0.0)
    written = module.store.write
    calls = []

    def killed(*arguments):
        written(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError

    monkeypatch.setattr(module.store, "write", killed)
    with pytest.raises(MemoryError):
        pf.fit(model, x, checkpoint=path, **options)
    assert path.exists()
    monkeypatch.setattr(module.store, "write", written)
    resumed = pf.fit(model, x, checkpoint=path, **options)
    assert not path.exists()
    assert resumed.history["epoch"] == whole.history["epoch"]
    for a, b in zip(jax.tree.leaves(resumed.model), jax.tree.leaves(whole.model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dropped_units_are_dropped_in_both_directions(rng):
    """With gates set, forward and inverse are still one map with one dlogp."""
    with jax.enable_x64(True):
        flow = pf.models.maf(3, key=jax.random.key(0), residual=True, **SMALL_MAF)
        thinned = thin(perturbed(flow, rng, 0.3), 0.5, 5, jax.random.key(1)).transform
        z = jnp.asarray(rng.standard_normal((3, 5)))
        x, dlogp = thinned.forward(z)
        back, again = thinned.inverse(x)
        np.testing.assert_allclose(back, z, atol=1e-8)
        np.testing.assert_allclose(dlogp, again, atol=1e-8)


def test_a_fit_is_compiled_once(rng):
    """More calls of the compiled loop trace nothing anew, also with leaves of a weak type."""
    model = pf.models.bnaf(2, key=jax.random.key(0), layers=1, hidden=(2,))
    assert any(leaf.weak_type for leaf in jax.tree.leaves(pf.partition(model)[0]))
    x = rng.standard_normal((1000, 2))  # 29 steps an epoch, so one epoch a call

    def traces(epochs):
        seen = []

        def objective(model, batch, key):
            seen.append(1)
            return pf.fitting.objectives.negative_log_likelihood(model, batch, key)

        pf.fit(
            model, x, key=jax.random.key(1), objective=objective, batch_size=32, max_epochs=epochs
        )
        return len(seen)

    assert traces(3) == traces(1)


def test_a_model_keeps_its_precision(rng):
    """A model made in float32 learns float64 rows and stays what it was."""
    model = pf.models.maf(2, key=jax.random.key(0), **SMALL_MAF)
    with jax.enable_x64(True):
        x = rng.standard_normal((200, 2)) * 2 + 1
        after = pf.fit(model, x, key=jax.random.key(1), max_epochs=5).model
        gain = float((after.log_prob(x) - model.log_prob(x)).mean())
    kinds = [jax.tree.map(lambda leaf: leaf.dtype, pf.partition(m)[0]) for m in (model, after)]
    assert jax.tree.leaves(kinds[0]) == jax.tree.leaves(kinds[1])
    assert gain > 0.05  # data are off by one and twice as wide
