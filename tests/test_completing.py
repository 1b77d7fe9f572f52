"""Unknown cells: drawn, filled and integrated out, against closed forms and enumerations."""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from scipy.special import logsumexp

import pushforward as pf
from pushforward.core.errors import DataError, SchemaMismatchError
from pushforward.tables.completing import completions


def gaussian_table(rng, n=3000):
    """Return rows of a correlated Gaussian, in units far apart."""
    root = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [-0.5, 0.5, 0.7]])
    rows = rng.normal(size=(n, 3)) @ root.T
    return pd.DataFrame(rows * [1.0, 100.0, 0.01] + [5.0, 0, 1], columns=["a", "b", "c"])


@pytest.fixture(scope="module")
def gaussian():
    table = gaussian_table(np.random.default_rng(0))
    estimator = pf.DensityEstimator("gaussian", float64=True, random_state=0).fit(table)
    # The law that was fitted, from its own densities: log p is quadratic.
    drawn = estimator.sample(200_000, random_state=1).to_numpy()
    return estimator, drawn.mean(0), np.cov(drawn.T)


def test_marginals_of_a_gaussian(gaussian, rng):
    estimator, mean, covariance = gaussian
    table = estimator.sample(300, random_state=2)
    hidden = rng.random(table.shape) < 0.4
    found = estimator.estimate_log_prob(table.mask(hidden), random_state=3)
    error = np.asarray(found.std_error)
    value, seen = np.asarray(found.value), ~hidden
    exact = np.array(
        [
            scipy.stats.multivariate_normal(mean[s], covariance[np.ix_(s, s)]).logpdf(row[s])
            if s.any()
            else 0.0
            for row, s in zip(table.to_numpy(), seen, strict=True)
        ]
    )
    whole = seen.all(1)
    assert (error[whole] == 0).all()
    assert whole.any()
    np.testing.assert_allclose(value[whole], estimator.score_samples(table[whole]), rtol=1e-6)
    assert (error[~whole] < 0.15).all()
    # 0.01 and a hundredth of the square: the moments above come from 200,000 draws.
    assert (np.abs(value - exact) < 5 * error + 0.02 + 0.01 * np.abs(exact)).all()
    assert np.abs((value - exact)[~whole].mean()) < 0.02


def test_conditional_draws_of_a_gaussian(gaussian):
    estimator, mean, covariance = gaussian
    given = pd.DataFrame({"c": [1.0, 1.01], "a": [5.0, 6.5]})
    drawn = estimator.sample(4000, random_state=0, given=given)
    assert list(drawn.columns) == ["a", "b", "c"]
    slopes = covariance[1, [0, 2]] @ np.linalg.inv(covariance[np.ix_([0, 2], [0, 2])])
    sd = np.sqrt(covariance[1, 1] - slopes @ covariance[[0, 2], 1])
    for k, row in given.iterrows():
        part = drawn[k * 4000 : (k + 1) * 4000]
        assert (part["a"] == row["a"]).all()
        assert (part["c"] == row["c"]).all()
        centre = mean[1] + slopes @ (row[["a", "c"]].to_numpy() - mean[[0, 2]])
        # 256 candidates: their effective number is above 100, an error of sd/10.
        assert abs(part["b"].mean() - centre) < 0.4 * sd
        assert 0.7 < part["b"].std() / sd < 1.35


def categories(rng, n=2000):
    first = rng.choice(["x", "y", "z"], n, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(n) < 0.8, first, rng.choice(["x", "y", "z"], n))
    third = np.where(rng.random(n) < 0.3, None, np.where(second == "x", "yes", "no"))
    return pd.DataFrame({"first": first, "second": second, "third": third})


def test_categories_are_enumerated(rng):
    estimator = pf.DensityEstimator(random_state=0, max_epochs=30).fit(categories(rng))
    every = pd.DataFrame(
        list(itertools.product("xyz", "xyz", ["yes", "no", None])),
        columns=["first", "second", "third"],
    )
    log_p = estimator.score_samples(every)
    query = pd.DataFrame({"first": ["y", None], "second": [None, "x"], "third": ["yes", "no"]})
    found = estimator.estimate_log_prob(query, random_state=0)
    for k, row in query.iterrows():
        same = np.all([(every[c] == v) for c, v in row.items() if pd.notna(v)], axis=0)
        assert abs(float(found.value[k]) - logsumexp(log_p[same])) < 1e-5  # all are listed
    assert not np.asarray(found.std_error).any()
    # A missing cell is imputed as a value, and conditioned on as missing.
    filled = estimator.impute(query, 500, random_state=1)
    assert set(filled["second"][:500]) <= set("xyz")
    same = ((every["first"] == "y") & (every["third"] == "yes")).to_numpy()
    mass = np.exp(log_p[same] - logsumexp(log_p[same]))
    share = [(filled["second"][:500] == v).mean() for v in every["second"][same]]
    np.testing.assert_allclose(share, mass, atol=0.11)  # 500 draws: 5 sd
    given = pd.DataFrame({"third": [None]}, dtype=object)
    drawn = estimator.sample(1000, random_state=2, given=given)
    assert drawn["third"].isna().all()
    without = every["third"].isna().to_numpy()
    mass = np.exp(logsumexp(log_p[without & (every["first"] == "x")]) - logsumexp(log_p[without]))
    assert abs((drawn["first"] == "x").mean() - mass) < 0.15


@pytest.fixture(scope="module")
def mixed():
    """Return a fitted table of a category, a count, and a value with zeros and missing cells."""
    rng = np.random.default_rng(7)
    n = 2500
    kind = rng.choice(["dry", "wet"], n)
    rain = np.where(kind == "dry", 0.0, rng.gamma(3.0, 2.0, n)) * (rng.random(n) < 0.9)
    level = 3 + 0.5 * rain + rng.normal(size=n)
    table = pd.DataFrame({"kind": kind, "rain": rain, "level": level, "n": rng.poisson(20, n)})
    table.loc[rng.random(n) < 0.15, "level"] = np.nan
    return table, pf.DensityEstimator(random_state=0, max_epochs=25).fit(table)


@pytest.mark.slow
def test_a_mixed_column_is_integrated_out(mixed, rng):
    table, estimator = mixed
    row = table[(table["kind"] == "wet") & table["level"].notna()].iloc[:1]
    known = estimator.estimate_log_prob(row.assign(rain=np.nan), random_state=0)
    steps = np.linspace(-5, 60, 20_001)
    tried = row.loc[row.index.repeat(len(steps))].assign(rain=steps)
    mass = np.trapezoid(np.exp(estimator.score_samples(tried)), steps)
    mass = mass + np.exp(estimator.score_samples(row.assign(rain=0.0))[0])
    assert abs(float(known.value[0]) - np.log(mass)) < 4 * float(known.std_error[0]) + 0.01


@pytest.mark.slow
def test_completed_rows_are_valid_and_alike(mixed, rng):
    table, estimator = mixed
    hidden = table[:300].copy()
    hidden.loc[rng.random(300) < 0.3, "rain"] = np.nan
    hidden["n"] = hidden["n"].astype("Int64").where(rng.random(300) > 0.2)
    hidden["kind"] = hidden["kind"].where(rng.random(300) > 0.3)
    filled = estimator.impute(hidden, random_state=0)
    assert not filled.isna().any().any()
    assert np.isfinite(estimator.score_samples(filled)).all()
    there = hidden.notna()
    for name in table.columns:
        same = filled[name][there[name].to_numpy()].to_numpy()
        np.testing.assert_array_equal(same, hidden[name][there[name]].to_numpy())
    guessed = hidden["kind"].isna().to_numpy() & (hidden["rain"].fillna(0) > 0).to_numpy()
    assert (filled["kind"][guessed] == "wet").mean() > 0.9
    drawn = estimator.sample(50, random_state=0, given=table[["kind"]][:40])
    assert abs(drawn["level"].isna().mean() - 0.15) < 0.1
    assert (drawn["kind"].to_numpy() == np.repeat(table["kind"][:40], 50).to_numpy()).all()
    assert (drawn["rain"][drawn["kind"] == "dry"] == 0).mean() > 0.97


@pytest.mark.slow
def test_enough_candidates_count(mixed):
    table, estimator = mixed
    values = np.array([[1.0, np.nan, np.nan, np.nan]])
    found = next(completions(estimator.model_, values, np.isnan(values), 0, there=True))
    assert found.effective()[0] > 40


def test_what_cannot_be_completed(gaussian):
    estimator, _, _ = gaussian
    with pytest.raises(SchemaMismatchError, match="strange"):
        estimator.sample(1, given=pd.DataFrame({"strange": [1.0]}))
    with pytest.raises(SchemaMismatchError, match="without names"):
        estimator.sample(1, given=np.ones((1, 2)))
    with pytest.raises(DataError, match=r"column 'b'.*NaN"):
        estimator.sample(1, given=pd.DataFrame({"b": [np.nan]}))
    labelled = pd.DataFrame({"s": ["u", "v"] * 50, "x": np.arange(100.0)})
    other = pf.DensityEstimator("gaussian", random_state=0).fit(labelled)
    with pytest.raises(DataError, match="row 0: known cells of probability zero"):
        other.sample(1, given=pd.DataFrame({"s": ["w"]}))
