"""The scikit-learn face: conformity, frames, p-values, small tables, errors."""

import pickle
import time

import jax
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import pushforward as pf
from pushforward.core.errors import DataError, OptionError, SchemaMismatchError
from pushforward.judge.baselines import score_baselines
from pushforward.judge.p_values import conformal_p_values
from pushforward.judge.settings import Settings


def _expected(_):
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "rows are split at random into train and hold-out, so that a repeated row can fall on "
            "both sides and a weighted one cannot"
        ),
    }


@parametrize_with_checks(
    [
        pf.DensityEstimator("gaussian", random_state=0),
        pf.ConditionalDensityEstimator("gaussian", random_state=0),
    ],
    expected_failed_checks=_expected,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [pf.OutlierDetector(max_epochs=1, max_time=None, random_state=0)],
    expected_failed_checks=_expected,
)
def test_scikit_learn_checks_of_the_detector(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def flow_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=900)
    table = pd.DataFrame({"a": x, "n": np.round(3 * x + rng.normal(size=900)).astype(int)})
    return pf.DensityEstimator("maf", random_state=0, max_epochs=10).fit(table), table


def test_frames_in_and_out(flow_fit):
    est, table = flow_fit
    scores = est.score_samples(table)
    for other in (pl.from_pandas(table), pa.Table.from_pandas(table)):
        np.testing.assert_array_equal(est.score_samples(other), scores)
        assert isinstance(est.transform(other), type(other))
    drawn = est.sample(50, random_state=1)
    assert isinstance(drawn, pd.DataFrame)
    assert list(drawn.columns) == ["a", "n"]
    assert drawn["n"].dtype == np.int64
    pd.testing.assert_frame_equal(drawn, est.sample(50, random_state=1))
    back = est.inverse_transform(est.transform(table))
    np.testing.assert_allclose(back["a"], table["a"], atol=2e-3)
    np.testing.assert_array_equal(back["n"], table["n"])
    assert est.score(table) == pytest.approx(scores.mean())


def test_card(flow_fit):
    card = flow_fit[0].card_
    assert card["rows"] == 900
    assert card["splits"] == {"train": 720, "validation": 90, "holdout": 90}
    assert set(card["baselines"]) == {"gaussian", "gmm", "kde"}
    assert card["evidence"] == "numerical"
    assert card["holdout_se"] > 0
    assert len(flow_fit[0].calibration_) == 90


def test_columns_must_be_those_of_the_fit(flow_fit):
    est, table = flow_fit
    with pytest.raises(SchemaMismatchError, match="another order"):
        est.score_samples(table[["n", "a"]])
    with pytest.raises(SchemaMismatchError, match="missing"):
        est.score_samples(table[["a"]])
    with pytest.raises(DataError, match="off the grid"):
        est.score_samples(table.astype(float) + 0.5)


def test_auto_is_never_worse_than_the_gaussian_on_validation_rows(rng):
    rows = rng.multivariate_normal([0, 5], [[1, 0.8], [0.8, 2]], size=600)
    est = pf.DensityEstimator(random_state=0, max_epochs=3).fit(rows)
    card = est.card_
    assert card["validation_nats"] >= card["candidates"]["gaussian"]


def test_p_values_are_uniform_on_fresh_rows(rng):
    """The rate at level 10 % lies in the beta-binomial's 1e-5 range."""
    rows, fresh = rng.normal(size=(4000, 2)), rng.normal(size=(4000, 2))
    p = pf.DensityEstimator("gaussian", random_state=0).fit(rows).p_values(fresh)
    # 400 calibration rows: the true level is Beta(40, 361), sd 0.015; 4000 rows add 0.005.
    assert abs((p <= 0.1).mean() - 0.1) < 4.5 * 0.016
    assert p.min() > 0


def test_conformal_formula(rng):
    calibration = np.sort(rng.normal(size=99))
    scores = rng.normal(size=50)
    want = (1 + (calibration[None] <= scores[:, None]).sum(1)) / 100
    np.testing.assert_allclose(conformal_p_values(scores, calibration), want)
    doubled = conformal_p_values(scores, calibration, np.full(99, 2.0))
    np.testing.assert_allclose(doubled, want)
    assert conformal_p_values(np.array([np.nan]), calibration)[0] == 0.01


def test_small_tables_are_cross_fitted(rng):
    for n, model in ((5, "maf"), (60, "gaussian")):
        est = pf.DensityEstimator(model, random_state=0, max_epochs=2).fit(rng.normal(size=(n, 2)))
        assert est.card_["holdout_kind"] == "cross-fitted"
        assert len(est.calibration_) == n
        assert np.isfinite(est.card_["holdout_nats"])
    assert est.card_["splits"]["holdout"] == 0


def test_holdout_rows_change_nothing_but_the_report(rng):
    rows = rng.normal(size=(600, 2))
    first = pf.DensityEstimator("maf", random_state=3, max_epochs=2).fit(rows)
    split = first.card_["splits"]
    order = np.random.default_rng(3).permutation(600)
    changed = rows.copy()
    changed[order[: split["holdout"]]] += 3.0
    second = pf.DensityEstimator("maf", random_state=3, max_epochs=2).fit(changed)
    np.testing.assert_array_equal(first.score_samples(rows), second.score_samples(rows))
    assert first.card_["holdout_nats"] != second.card_["holdout_nats"]


def test_float64(rng):
    rows = rng.normal(size=(300, 2))
    est = pf.DensityEstimator("gaussian", random_state=0, float64=True).fit(rows)
    params = jax.tree.leaves(est.model_.density)
    assert all(leaf.dtype == np.float64 for leaf in params)
    z = est.transform(rows)
    np.testing.assert_allclose(est.inverse_transform(z), rows, atol=1e-12)


def test_the_clock_runs_from_the_beginning():
    """Learning ends after four fifths of the time, whatever came before it."""
    settings = Settings(max_time=10.0, began=time.monotonic() - 6.0)
    assert settings.seconds_left() == pytest.approx(2.0, abs=0.2)
    assert settings.anew(5.0).seconds_left() == pytest.approx(4.0, abs=0.2)
    assert Settings(max_time=1.0, began=time.monotonic() - 6.0).seconds_left() == 0
    assert Settings().seconds_left() is None


def test_clone_search_pipeline_and_memory(rng):
    rows = rng.normal(size=(200, 2))
    est = pf.DensityEstimator("gaussian", random_state=0)
    search = GridSearchCV(est, {"nodes": [1, 2]}, cv=2).fit(rows)
    assert search.best_params_["nodes"] in (1, 2)
    pipe = make_pipeline(StandardScaler(), clone(est)).fit(rows)
    assert np.isfinite(pipe.score(rows))
    fitted = clone(est).fit(rows)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(rows), fitted.score_samples(rows))


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (np.ones((10, 2)), DataError),
        (np.full((10, 2), np.nan), DataError),
        (np.array([["a", "b"]] * 4), DataError),
        (np.ones((1, 2)), DataError),
    ],
)
def test_tables_that_are_refused(table, error):
    with pytest.raises(error):
        pf.DensityEstimator("gaussian").fit(table)


def test_unknown_model():
    with pytest.raises(OptionError, match="'auto' or one of"):
        pf.DensityEstimator("nope").fit(np.eye(4))


def test_a_flow_survives_huge_cells(rng):
    rows = rng.normal(size=(600, 2))
    rows[3], rows[4] = 1e30, -1e30
    est = pf.DensityEstimator("maf", random_state=0, max_epochs=1).fit(rows)
    assert np.isfinite(est.score_samples(rows)).all()
    assert np.isfinite(est.sample(20, random_state=0)).all()


def test_latents_keep_the_rows_names(rng):
    table = pd.DataFrame(
        rng.normal(size=(60, 2)), columns=["a", "b"], index=[f"r{i}" for i in range(60)]
    )
    z = pf.DensityEstimator("gaussian", random_state=0).fit(table).transform(table)
    assert list(z.index) == list(table.index)


def test_weighted_p_values_are_shares_of_weight(rng):
    """p is at least the share of weight below a score, and close to it for many rows."""
    calibration, weights = np.sort(rng.normal(size=50)), rng.uniform(0.1, 5.0, 50)
    scores = rng.normal(size=20)
    share = np.array([weights[calibration <= s].sum() for s in scores]) / weights.sum()
    p = conformal_p_values(scores, calibration, weights)
    assert (p >= share).all()
    assert (p <= 1).all()
    rows_worth = weights.sum() ** 2 / (weights**2).sum()
    assert (p >= 1 / (rows_worth + 1) - 1e-12).all()
    assert (p <= share + 1 / rows_worth).all()
    weights[:] = 1e-6  # one row in fifty bears nearly all of the weight: no evidence of oddness
    weights[25] = 1.0
    assert (conformal_p_values(scores, calibration, weights) > 0.4).all()


def test_rows_of_no_weight_change_nothing(rng):
    rows, weights = rng.normal(size=(300, 2)), np.ones(300)
    weights[200:] = 0
    rows[200:] += 50
    whole = pf.DensityEstimator("gaussian", random_state=0).fit(rows, sample_weight=weights)
    alone = pf.DensityEstimator("gaussian", random_state=0).fit(rows[:200])
    np.testing.assert_allclose(whole.score_samples(rows), alone.score_samples(rows), rtol=1e-4)
    assert whole.card_["baselines"].keys() == alone.card_["baselines"].keys()
    np.testing.assert_allclose(whole.calibration_, alone.calibration_, rtol=1e-9)


def test_baselines_learn_from_weights(rng):
    """Half the rows, with nearly all of the weight, lie elsewhere: the baselines follow them."""
    rows = np.concatenate([rng.normal(0, 1, (2000, 1)), rng.normal(30, 1, (2000, 1))])
    weights = np.repeat([1e-12, 1.0], 2000)
    card = pf.DensityEstimator("gaussian", random_state=0).fit(rows, sample_weight=weights).card_
    truth = -0.5 * np.log(2 * np.pi * np.e)
    for name, nats in card["baselines"].items():
        # Unweighted, all would lie 2 nats lower; kernels of few rows lose a few tenths.
        assert abs(nats - truth) < (0.6 if name == "kde" else 0.3), name
    assert abs(card["holdout_nats"] - truth) < 0.3


def test_cross_fitted_baselines_choose_their_sizes(rng):
    """Two far clusters in 80 rows: a mixture chosen by validation is no single Gaussian."""
    rows = rng.normal(size=(80, 1)) + np.repeat([0.0, 40.0], 40)[:, None]
    baselines = pf.DensityEstimator("gaussian", random_state=0).fit(rows).card_["baselines"]
    # Where a part of the table runs out of time, it keeps the single Gaussian.
    assert baselines["gmm"] > baselines["gaussian"] + 0.1
    learn, choose, test = rows[::3], rows[1::3], rows[2::3]
    scores = score_baselines(learn, choose, test, 0.0, max_time=np.inf, rng=rng)
    # Exactly: 0.5 log(1 + 20²) − log 2 = 2.3 nats; learning from 27 rows costs a few tenths.
    # A row away from those few costs ten nats, whence the median.
    assert np.median(scores["gmm"]) > np.median(scores["gaussian"]) + 1.5


@pytest.mark.parametrize("low", [0.0, None])
def test_a_bounded_gaussian_stays_inside(low, rng):
    """Even the Gaussian gives no mass beyond a declared bound, and its mass there is one."""
    rows = rng.exponential(size=(400, 1))
    declared = None if low is None else {"x0": {"low": low}}
    est = pf.DensityEstimator("gaussian", schema=declared, random_state=0).fit(rows)
    sampled = est.sample(5000, random_state=0)
    assert (sampled.min() > 0) == (low is not None)
    edges = np.linspace(0, 60, 200_001) if low is not None else np.linspace(-60, 60, 200_001)
    middle = (edges[1:] + edges[:-1]) / 2
    total = (np.exp(est.score_samples(middle[:, None])) * np.diff(edges)).sum()
    assert abs(total - 1) < 0.005
    if low is not None:
        assert (est.score_samples(np.array([[-1.0], [-1e-3]])) == -np.inf).all()


def test_a_bound_out_of_reach_bends_nothing(rng):
    """Air pressure is positive, and no row is within a thousand spreads of zero."""
    rows = 101_325 + 5 * rng.normal(size=(500, 1))
    est = pf.DensityEstimator(
        "gaussian", schema={"x0": {"low": 0.0}}, random_state=0, float64=False
    ).fit(rows)
    truth = -0.5 * np.log(2 * np.pi * np.e * 25)
    assert abs(est.score(rows) - truth) < 0.1


@pytest.mark.slow
def test_capped_values_are_learned(rng):
    """A grid whose upper bound holds many rows: no learning step is lost to rounding."""
    rows = np.round(np.minimum(rng.exponential(size=(500, 1)), 1.0), 5)
    declared = {"x0": {"low": 0.0, "high": 1.0}}
    est = pf.DensityEstimator("nsf", schema=declared, random_state=0, max_epochs=3).fit(rows)
    assert sum(est.card_["history"]["skipped"]) == 0
    assert np.isfinite(est.card_["holdout_nats"])


@pytest.mark.slow
def test_a_gaussian_narrower_than_the_cells_is_not_chosen(rng):
    """A 0/1 column that is mostly 0: the masses of all whole numbers sum to about one."""
    rows = np.stack([rng.random(600) < 0.03, rng.integers(0, 4, 600)], 1).astype(float)
    est = pf.DensityEstimator(random_state=0, max_epochs=30).fit(rows)
    grid = np.stack(np.meshgrid(np.arange(-6, 8), np.arange(-6, 12)), -1).reshape(-1, 2)
    # Midpoints of cells: an integral of each cell's density by one node.
    assert abs(np.exp(est.score_samples(grid.astype(float))).sum() - 1) < 0.2
    assert 0 < est.sample(5000, random_state=0)[:, 0].mean() < 0.1


def test_a_gaussian_keeps_small_values_above_a_bound_apart(rng):
    """Twelve orders of magnitude below the mean a positive value still has a finite score."""
    rows = np.exp(4 * rng.normal(size=(500, 1)))
    declared = {"x0": {"low": 0.0}}
    est = pf.DensityEstimator("gaussian", schema=declared, random_state=0).fit(rows)
    small = np.exp(-np.arange(5.0, 25.0))[:, None]
    found, log = est.score_samples(small), np.log(small[:, 0])
    mean, sd = np.log(rows).mean(), np.log(rows).std()
    truth = -0.5 * ((log - mean) / sd) ** 2 - log - np.log(sd * np.sqrt(2 * np.pi))
    # 400 of the 500 rows set mean and sd: 4 sd out they move the score by a nat at most.
    np.testing.assert_allclose(found, truth, atol=1.5)


def test_values_near_the_upper_of_two_bounds(rng):
    """1 − 1e-9 is told from 1 − 1e-7: the scale is centred at the bound that the data are near."""
    gap = 10.0 ** -rng.uniform(5, 9, (800, 1))
    declared = {"x0": {"low": 0.0, "high": 1.0}}
    upper = pf.DensityEstimator("gaussian", schema=declared, random_state=0).fit(1 - gap)
    lower = pf.DensityEstimator("gaussian", schema=declared, random_state=0).fit(gap)
    np.testing.assert_allclose(upper.score_samples(1 - gap), lower.score_samples(gap), atol=0.01)


def test_rows_of_no_weight_decide_no_kind(rng):
    """A row that counts for nothing neither hides a grid nor makes a constant vary."""
    rows = np.stack([rng.integers(0, 9, 200), np.full(200, 3)], 1).astype(float)
    weights = np.ones(200)
    rows[7], weights[7] = [0.123456789, 4.0], 0
    est = pf.DensityEstimator("gaussian", random_state=0).fit(rows, sample_weight=weights)
    assert [column.kind for column in est.schema_.columns] == ["integer", "constant"]


def test_float32_rows_score_by_themselves(rng):
    """A float32 row means the same decimals whichever rows stand beside it."""
    rows = np.round(rng.normal(size=(300, 2)), 2)
    est = pf.DensityEstimator("gaussian", random_state=0).fit(rows)
    single = rows.astype(np.float32)
    np.testing.assert_array_equal(est.score_samples(single), est.score_samples(rows))
    spoiled = np.concatenate([single, [[0.12345678, 0.0]]]).astype(np.float32)
    with pytest.raises(DataError, match="row 300: 0.12345"):
        est.score_samples(spoiled)


def test_enormous_values_have_a_spread(rng):
    """Squares overflow float64; only the unit differs from that of modest values."""
    rows = rng.normal(size=(200, 2))
    modest = pf.DensityEstimator("gaussian", random_state=0).fit(rows).score(rows)
    huge = pf.DensityEstimator("gaussian", random_state=0).fit(1e199 * rows).score(1e199 * rows)
    assert abs(huge + 2 * np.log(1e199) - modest) < 1e-3
