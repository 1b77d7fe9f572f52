"""Conditional densities of tables against closed forms and quadrature."""

import jax
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import pushforward as pf
from pushforward.core.errors import DataError, OptionError, SchemaMismatchError
from pushforward.densities import Mixture
from pushforward.judge import predict
from pushforward.tables import univariate


def _waves(rng, n):
    """y | x ~ N(sin 3x, (0.1 + 0.2 |x|)²): the mean bends, and so does the width."""
    x = rng.uniform(-1.5, 1.5, n)
    law = stats.norm(np.sin(3 * x), 0.1 + 0.2 * np.abs(x))
    return x[:, None], law.rvs(random_state=rng), law


@pytest.fixture(scope="module")
def waves():
    """A law that is exact, though it has hardly begun to learn."""
    rng = np.random.default_rng(3)
    x, y, _ = _waves(rng, 800)
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=15).fit(x, y)
    return estimator, *_waves(rng, 500)


@pytest.fixture(scope="module")
def learned():
    rng = np.random.default_rng(3)
    x, y, _ = _waves(rng, 3000)
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=300).fit(x, y)
    return estimator, *_waves(rng, 2000)


@pytest.fixture(scope="module")
def rain():
    """y = 0 with probability 1/(1 + e^x), else exponential of mean 1 + x²."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=2500)
    wet = rng.random(2500) < 1 / (1 + np.exp(-x))
    y = np.where(wet, rng.exponential(1 + x * x), 0.0)
    table = pd.DataFrame({"x": x, "kind": rng.choice(["a", "b"], 2500)})
    return pf.ConditionalDensityEstimator(random_state=0, max_epochs=15).fit(table, y), table, y


@pytest.mark.slow
def test_recovers_mean_width_and_density(learned):
    estimator, x, y, law = learned
    gap = law.logpdf(y) - estimator.log_prob(x, y)
    error = gap.std() / np.sqrt(len(gap))
    assert gap.mean() >= -3 * error, "better than the truth: a wrong density"
    assert gap.mean() <= 0.05
    assert np.abs(estimator.predict(x) - law.mean()).mean() < 0.05
    quantiles = estimator.predict_quantiles(x, (0.1, 0.9))
    assert np.abs(quantiles[:, 1] - quantiles[:, 0] - 2 * 1.2816 * law.std()).mean() < 0.1


@pytest.mark.slow
def test_pit_is_uniform_and_intervals_cover(learned):
    estimator, x, y, _ = learned
    pit = estimator.pit(x, y, random_state=0)
    assert tuple(stats.kstest(pit, "uniform"))[0] < 0.05  # sampling alone: 0.044 at 0.1 %
    low, high = estimator.predict_interval(x, 0.8).T
    inside = ((low <= y) & (y <= high)).mean()
    assert abs(inside - 0.8) < 4 * np.sqrt(0.8 * 0.2 / len(y)) + 0.01


@pytest.mark.slow
def test_crps_is_that_of_a_normal(learned):
    """CRPS(N(m, s), y) = s (t (2Φ(t) − 1) + 2φ(t) − 1/√π), t = (y − m)/s."""
    estimator, x, y, law = learned
    t = (y - law.mean()) / law.std()
    exact = law.std() * (
        t * (2 * stats.norm.cdf(t) - 1) + 2 * stats.norm.pdf(t) - 1 / np.sqrt(np.pi)
    )
    assert estimator.crps(x, y).mean() == pytest.approx(exact.mean(), rel=0.05)


def test_crps_is_the_integral_of_its_definition(rain):
    """∫ (F(t) − [t ≥ y])² dt, of a law with an atom at zero and recorded values beside it."""
    estimator, table, y = rain
    rows, values = table[:6], np.asarray(y[:6], float)
    found = estimator.crps(rows, values)
    t = np.linspace(-1.0, values.max() + 80, 8001)
    for i in range(6):
        below = estimator.cdf(rows.iloc[np.full(len(t), i)], t)
        exact = np.trapezoid((below - (t >= values[i])) ** 2, t)
        assert found[i] == pytest.approx(exact, rel=0.03, abs=0.02)


def test_distribution_function_is_the_integral_of_the_density(waves):
    estimator, x, _, _ = waves
    for i in (0, 1, 2):
        ends = estimator.predict_quantiles(x[i : i + 1], (0.002, 0.998))[0]
        y = np.linspace(*ends, 4001)
        rows = np.repeat(x[i : i + 1], len(y), 0)
        density = np.exp(estimator.log_prob(rows, y))
        area = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(y))])
        cdf = estimator.cdf(rows, y)
        np.testing.assert_allclose(cdf - cdf[0], area, atol=2e-4)  # float32 sums, 4,000 steps


def test_quantiles_invert_the_distribution_function(waves):
    estimator, x, _, _ = waves
    wanted = np.array([0.01, 0.3, 0.5, 0.9])
    found = estimator.predict_quantiles(x[:50], wanted)
    for k, q in enumerate(wanted):
        np.testing.assert_allclose(estimator.cdf(x[:50], found[:, k]), q, atol=1e-4)


def test_the_mixture_is_the_mean_of_its_members(waves):
    estimator, x, y, _ = waves
    model = estimator.model_
    assert isinstance(model.density, Mixture)
    assert len(model.density.components) == 5
    members = [
        pf.tables.TableDensity(model.schema, d, 1, model.given) for d in model.density.components
    ]
    each = np.stack([member.log_prob(y[:, None], x) for member in members])
    np.testing.assert_allclose(
        np.exp(model.log_prob(y[:, None], x)), np.exp(each).mean(0), rtol=2e-4
    )
    cdf = np.stack([univariate.distribution(member, y, x) for member in members]).mean(0)
    np.testing.assert_allclose(univariate.distribution(model, y, x), cdf, atol=1e-5)


def test_samples_follow_the_distribution_function(waves):
    estimator, x, _, _ = waves
    drawn = estimator.sample(x[:4], 2000, random_state=1)
    assert drawn.shape == (4, 2000)
    for row, values in zip(x[:4], drawn, strict=True):
        pit = estimator.cdf(np.repeat(row[None], 2000, 0), values)
        assert tuple(stats.kstest(pit, "uniform"))[0] < 0.05


def test_atoms_have_mass_and_quantiles_stop_at_them(rain):
    estimator, table, _ = rain
    table = table[:500]
    assert estimator.schema_.columns[0].atoms == (0.0,)
    zero = estimator.cdf(table, np.zeros(len(table)))
    below = estimator.cdf(table, np.full(len(table), -1e-9))
    mass = np.exp(estimator.log_prob(table, np.zeros(len(table))))
    np.testing.assert_allclose(zero - below, mass, atol=1e-5)
    truth = 1 / (1 + np.exp(table["x"].to_numpy()))
    assert np.abs(mass - truth).mean() < 0.05
    low = estimator.predict_quantiles(table, (0.05,))[:, 0]
    sure = (below < 0.04) & (zero > 0.06)
    assert sure.any()
    assert (low[sure] == 0).all()
    mean = estimator.predict(table)
    drawn = estimator.sample(table[:20], 4000, random_state=0)
    np.testing.assert_allclose(
        mean[:20], drawn.mean(1), atol=5 * drawn.std(1).max() / np.sqrt(4000) + 0.02
    )


@pytest.mark.slow
def test_recorded_values_have_cells(rng):
    """A Poisson count given its rate: P(Y ≤ y) runs to the cell's end, quantiles are whole."""
    rate = rng.uniform(20, 60, 1500)
    y = rng.poisson(rate).astype(float)
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=25)
    estimator.fit(rate[:, None], y)
    x = np.full((1, 1), 40.0)
    law = stats.poisson(40)
    grid = np.arange(10.0, 80)
    rows = np.repeat(x, len(grid), 0)
    assert np.abs(estimator.cdf(rows, grid) - law.cdf(grid)).max() < 0.06
    found = estimator.predict_quantiles(x, (0.1, 0.5, 0.9))[0]
    assert (found == np.round(found)).all()
    assert np.abs(found - law.ppf((0.1, 0.5, 0.9))).max() <= 2
    own = univariate.mass(estimator.model_, grid, rows)
    assert own.sum() == pytest.approx(1, abs=0.01)
    assert np.diff(estimator.cdf(rows, grid)) == pytest.approx(own[1:], abs=1e-5)
    assert np.exp(estimator.log_prob(rows, grid)) == pytest.approx(own, abs=1e-5)
    assert str(estimator.model_.evidence) == "exact"


def test_levels_have_masses(rng):
    """Where y has few values the law is a table: cumulated masses, quantiles among the levels."""
    x = rng.normal(size=600)
    y = np.where(rng.random(600) < 1 / (1 + np.exp(-2 * x)), 2.0, 1.0)
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=20).fit(x[:, None], y)
    high = np.exp(estimator.log_prob(x[:, None], np.full(600, 2.0)))
    assert np.abs(high - 1 / (1 + np.exp(-2 * x))).mean() < 0.08
    np.testing.assert_allclose(estimator.cdf(x[:, None], np.ones(600)), 1 - high, atol=1e-5)
    assert estimator.cdf(x[:, None], np.full(600, 2.0)) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(estimator.predict(x[:, None]), 1 + high, atol=1e-5)
    median = estimator.predict_quantiles(x[:, None], (0.5,))[:, 0]
    clear = np.abs(high - 0.5) > 1e-3
    assert (median[clear] == np.where(high > 0.5, 2.0, 1.0)[clear]).all()


@pytest.mark.slow
def test_several_columns_of_both_kinds(rng):
    """Joint law of a number and a text given x; margins, modes and frames as they came."""
    x = rng.normal(size=1200)
    label = np.where(x + 0.3 * rng.normal(size=1200) > 0, "up", "down")
    size = 2 * x + (label == "up") + 0.5 * rng.normal(size=1200)
    given = pl.DataFrame({"x": x, "unit": ["m"] * 1200})
    target = pl.DataFrame({"size": size, "label": label})
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=25).fit(given, target)
    found = estimator.predict(given)
    assert isinstance(found, pl.DataFrame)
    assert found.columns == ["size", "label"]
    assert (found["label"].to_numpy() == label).mean() > 0.85
    assert np.abs(found["size"].to_numpy() - 2 * x - (x > 0)).mean() < 0.3
    assert estimator.sample(given[:3], 7, random_state=0).shape == (3, 7, 2)
    other = pl.DataFrame({"size": size, "label": np.where(label == "up", "down", "up")})
    far = np.abs(x) > 0.6
    surprise = estimator.log_prob(given, target) - estimator.log_prob(given, other)
    assert (surprise[far] > 0).mean() > 0.95
    with pytest.raises(OptionError, match="label"):
        estimator.predict_quantiles(given)
    with pytest.raises(OptionError, match="one column of numbers"):
        estimator.cdf(given, target)


@pytest.mark.slow
def test_conditions_may_be_missing_or_texts(rng):
    """A missing condition is a condition of its own; an unknown text is refused by place."""
    n = 1500
    x, group = rng.normal(size=n), rng.choice(["a", "b", "c"], n)
    y = x + 3 * (group == "b") + 0.3 * rng.normal(size=n)
    table = pd.DataFrame({"x": np.where(rng.random(n) < 0.3, np.nan, x), "group": group})
    estimator = pf.ConditionalDensityEstimator(random_state=0, max_epochs=30).fit(table, y)
    asked = pd.DataFrame({"x": [np.nan, 0.0, np.nan, 0.0], "group": ["a", "a", "b", "b"]})
    mean = estimator.predict(asked)
    np.testing.assert_allclose(mean, [0, 0, 3, 3], atol=0.4)
    low, high = estimator.predict_interval(asked).T
    assert ((high - low)[[0, 2]] > 2 * (high - low)[[1, 3]]).all()
    with pytest.raises(DataError, match=r"'group', row 1: a text not seen before"):
        estimator.predict(pd.DataFrame({"x": [0.0, 0.0], "group": ["a", "z"]}))
    with pytest.raises(SchemaMismatchError):
        estimator.predict(table[["group", "x"]])


def test_refuses_what_makes_no_sense(rng):
    x, y = rng.normal(size=(100, 2)), rng.normal(size=100)
    face = pf.ConditionalDensityEstimator(max_epochs=1)
    with pytest.raises(DataError, match="100 rows of x and 99 of y"):
        face.fit(x, y[:99])
    with pytest.raises(DataError, match="row 7: NaN"):
        face.fit(x, np.where(np.arange(100) == 7, np.nan, y))
    face.fit(x, y)
    for bad in ((0.0,), (1.5,)):
        with pytest.raises(OptionError, match="between 0 and 1"):
            face.predict_quantiles(x, bad)
    with pytest.raises(SchemaMismatchError, match="3 features"):
        face.predict(rng.normal(size=(5, 3)))


def test_weights_count_as_repetition(rng):
    """Linear regression with weights is that of repeated rows."""
    x, y = rng.normal(size=(200, 1)), rng.normal(size=200)
    y += 2 * x[:, 0]
    counts = rng.integers(1, 4, 200)
    options = {"model": "gaussian", "random_state": 0, "holdout": 0.0, "validation": 0.0}
    weighted = pf.ConditionalDensityEstimator(**options).fit(x, y, sample_weight=counts)
    repeated = pf.ConditionalDensityEstimator(**options).fit(
        np.repeat(x, counts, 0), np.repeat(y, counts)
    )
    found, again = (e.predict(x[:20]) for e in (weighted, repeated))
    # Robust scales differ by quantile rules, and with them what the ridge takes off the slope.
    np.testing.assert_allclose(found, again, atol=1e-2, rtol=1e-2)


def test_saved_and_loaded(rain, tmp_path):
    estimator, table, y = rain
    estimator.save(tmp_path / "model")
    again = pf.load(tmp_path / "model")
    assert (again.log_prob(table, y) == estimator.log_prob(table, y)).all()
    assert (again.predict(table[:50]) == estimator.predict(table[:50])).all()


def test_a_row_alone_is_the_row_in_a_table(rain):
    estimator, table, y = rain
    whole = estimator.log_prob(table[:300], y[:300])
    alone = np.concatenate([estimator.log_prob(table[i : i + 1], y[i : i + 1]) for i in range(5)])
    assert (whole[:5] == alone).all()


def test_draws_are_the_models(rain, monkeypatch):
    """Pieces of the draws do not repeat each other."""
    estimator, table, _ = rain
    monkeypatch.setattr("pushforward.judge.predict._ROWS_AT_ONCE", 1 << 13)
    drawn = predict.draws(estimator.model_, jax.random.key(0), np.zeros((3, 2)), 6_000)
    assert drawn.shape == (3, 6_000, 1)
    values = drawn[drawn > 0]
    assert len(np.unique(values)) > 0.99 * len(values)


def test_targets_are_known_by_name(rng):
    """Two targets in another order are refused, not swapped."""
    x, y = rng.normal(size=(120, 1)), rng.normal(size=(120, 2)) * [1.0, 50.0]
    table = pd.DataFrame(y, columns=["b", "a"])
    face = pf.ConditionalDensityEstimator("gaussian", random_state=0).fit(x, table)
    with pytest.raises(SchemaMismatchError, match="another order"):
        face.log_prob(x, table[["a", "b"]])
    found = face.predict(x)
    assert list(found.columns) == ["b", "a"]


def test_means_are_no_longer_whole(rng):
    """The mean of a count and of a truth beside a text is a number between."""
    n = 300
    target = pd.DataFrame(
        {
            "count": rng.poisson(3, n),
            "true": rng.random(n) < 0.3,
            "text": rng.choice(["p", "q"], n, p=[0.8, 0.2]),
        }
    )
    face = pf.ConditionalDensityEstimator("gaussian", random_state=0)
    found = face.fit(rng.normal(size=(n, 1)), target).predict(np.zeros((2, 1)))
    assert found["true"][0] == pytest.approx(0.3, abs=0.1)
    assert 2 < found["count"][0] < 4
    assert found["count"][0] % 1 != 0
    assert found["text"][0] == "p"


def test_a_column_of_few_numbers_may_be_a_condition(rng):
    """All but one cell missing: no moments in some of the parts, and no error."""
    lonely = np.full((150, 1), np.nan)
    lonely[7] = 2.5
    x = np.concatenate([rng.normal(size=(150, 1)), lonely], 1)
    face = pf.ConditionalDensityEstimator("gaussian", random_state=0).fit(x, x[:, 0])
    assert np.isfinite(face.log_prob(x, x[:, 0])).all()
