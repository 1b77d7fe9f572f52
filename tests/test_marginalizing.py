"""missing="marginalize": the law of whole rows, learned from rows that lack cells at random."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import pushforward as pf
from pushforward.core.errors import DataError, OptionError
from pushforward.judge.marginalizing import learnable, whole_schema
from pushforward.judge.rows import TableRows
from pushforward.judge.settings import Settings, Task
from pushforward.judge.split import Split
from pushforward.tables import infer_schema


def lacking(rng, n=1500):
    """y = 2x + noise, and lost more often the larger x is: at random given x."""
    x = rng.normal(size=n)
    y = 2 * x + 0.5 * rng.normal(size=n)
    return pd.DataFrame(
        {"x": x, "y": np.where(rng.random(n) < 1 / (1 + np.exp(-3 * x)), np.nan, y)}
    )


def test_what_is_lost_at_random_does_not_bias(rng):
    """E[y] = 0 and sd √4.25; rows with y alone say −1.4. The scores are those of that normal."""
    table = lacking(rng)
    assert table["y"].mean() < -0.8
    estimator = pf.DensityEstimator("gaussian", missing="marginalize", random_state=0).fit(table)
    drawn = estimator.sample(20_000, random_state=1)
    assert not drawn.isna().any().any()
    assert abs(drawn["y"].mean()) < 0.25
    assert drawn["y"].std() == pytest.approx(np.sqrt(4.25), abs=0.3)
    cells = pd.DataFrame({"x": [0.5, np.nan, -1.0], "y": [np.nan, 2.0, -2.0]})
    law = stats.multivariate_normal([0, 0], [[1, 2], [2, 4.25]])
    truth = [stats.norm.logpdf(0.5), stats.norm.logpdf(2.0, 0, 4.25**0.5), law.logpdf([-1, -2])]
    found = estimator.score_samples(cells)
    np.testing.assert_allclose(found, truth, atol=0.4)
    again = estimator.estimate_log_prob(cells, random_state=0)
    np.testing.assert_allclose(found, again.value, atol=1e-5)
    assert (np.asarray(again.std_error)[:2] > 0).all()
    assert float(again.std_error[2]) == 0
    assert estimator.card_["evidence"] == "estimate"
    assert estimator.card_["holdout_nats"] == pytest.approx(estimator.score(table), abs=0.3)


def test_a_row_scores_the_same_wherever_it_stands(rng, tmp_path):
    table = lacking(rng, 120).assign(g=rng.choice(["a", "b", None], 120))
    estimator = pf.DensityEstimator("gaussian", missing="marginalize", random_state=0).fit(table)
    scores = estimator.score_samples(table)
    order = rng.permutation(120)
    np.testing.assert_array_equal(estimator.score_samples(table.iloc[order]), scores[order])
    estimator.save(tmp_path / "m")
    np.testing.assert_array_equal(pf.load(tmp_path / "m").score_samples(table), scores)
    assert all(check.passed is not False for check in estimator.validate(table))
    assert estimator.p_values(table).min() > 0
    assert np.isfinite(np.asarray(estimator.transform(table))).all()


def test_a_flow_learns_what_the_gaussian_cannot(rng):
    """Two of ten cells lost; whole fresh rows score near the truth, far above the Gaussian."""
    x = rng.uniform(-2, 2, 900)
    table = pd.DataFrame({"x": x, "y": x**2 + 0.3 * rng.normal(size=900)})
    table = table.mask(rng.random(table.shape) < 0.2)
    estimator = pf.DensityEstimator(
        "nsf", missing="marginalize", random_state=0, max_epochs=40
    ).fit(table)
    x = rng.uniform(-2, 2, 2000)
    y = x**2 + 0.3 * rng.normal(size=2000)
    truth = -np.log(4) + stats.norm.logpdf(y, x**2, 0.3)
    gap = truth.mean() - estimator.score(pd.DataFrame({"x": x, "y": y}))
    assert -0.05 < gap < 1.0, gap  # 0.4 on rows that lack nothing; the Gaussian: 1.6
    assert estimator.card_["holdout_nats"] > estimator.card_["baselines"]["gaussian"] + 0.2


def test_rows_that_report_have_no_part_in_filling(rng):
    values = lacking(rng, 300).to_numpy()
    names = ("x", "y")
    schema = whole_schema(infer_schema(values, names))
    places = rng.permutation(300)
    split = Split(places[:200], places[200:240], places[240:])
    filled = []
    for shift in (0.0, 100.0):
        moved = values.copy()
        moved[split.holdout] += shift
        task = Task(TableRows(moved, np.ones(300)), schema, None, Settings(missing="marginalize"))
        filled.append(learnable(task, split).rows.values)
    used = np.concatenate([split.train, split.validation])
    np.testing.assert_array_equal(filled[0][used], filled[1][used])
    assert not np.isnan(filled[0][used]).any()
    known = ~np.isnan(values)
    np.testing.assert_array_equal(filled[0][known], values[known])


def test_columns_of_whole_rows(rng):
    """A column of one value and missing cells is constant; one that is all missing stays so."""
    n = 60
    values = np.stack(
        [
            rng.normal(size=n),
            np.where(rng.random(n) < 0.5, np.nan, 3.0),
            np.full(n, np.nan),
            np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 2, n)),
        ],
        1,
    )
    schema = whole_schema(infer_schema(values, tuple("abcd")))
    assert [c.kind for c in schema.columns] == ["continuous", "constant", "constant", "ordinal"]
    assert [c.constant for c in schema.columns[1:3]] == [3.0, None]
    estimator = pf.DensityEstimator("gaussian", missing="marginalize", random_state=0).fit(values)
    assert np.isfinite(estimator.score_samples(values)).all()
    drawn = estimator.sample(20, random_state=0)
    assert (drawn[:, 1] == 3).all()
    assert np.isnan(drawn[:, 2]).all()


def test_a_conditional_law_refuses(rng):
    face = pf.ConditionalDensityEstimator("gaussian", missing="marginalize")
    with pytest.raises(OptionError, match="marginalize"):
        face.fit(rng.normal(size=(50, 1)), rng.normal(size=50))
    with pytest.raises(OptionError, match="marginalize"):
        pf.DensityEstimator(missing="guess").fit(rng.normal(size=(50, 1)))


def test_a_fitted_schema_again_and_p_values_of_solved_cells(rng):
    values = rng.normal(size=(300, 2)) * 1e6
    table = pd.DataFrame(values, columns=["a", "b"]).assign(total=values.sum(1))
    table["hole"] = np.where(rng.random(300) < 0.3, np.nan, rng.normal(size=300))
    first = pf.DensityEstimator("gaussian", missing="marginalize", random_state=0).fit(table)
    lacking = table.head(5).assign(b=np.nan)  # follows from the total
    np.testing.assert_allclose(first.score_samples(lacking), first.score_samples(table.head(5)))
    np.testing.assert_array_equal(first.p_values(lacking), first.p_values(table.head(5)))
    again = pf.DensityEstimator(
        "gaussian", schema=first.schema_, missing="marginalize", random_state=0
    ).fit(table)
    assert np.isfinite(again.score_samples(table)).all()
    late = table.assign(hole=np.where(np.arange(300) < 290, np.nan, 1.0 * np.arange(300)))
    with pytest.raises(DataError, match="'hole'"):
        pf.DensityEstimator("gaussian", split="ordered", missing="marginalize").fit(late)
