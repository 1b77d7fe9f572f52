"""The scikit-learn face: conformity, frames, p-values, small tables, errors."""

import pickle

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
from pushforward.judge.p_values import conformal_p_values


@parametrize_with_checks(
    [pf.DensityEstimator("gaussian", random_state=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": (
            "rows are split at random into train and hold-out, so that a repeated row can fall on "
            "both sides and a weighted one cannot"
        ),
    },
)
def test_scikit_learn_checks(estimator, check):
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
    for n in (5, 60):
        est = pf.DensityEstimator("maf", random_state=0, max_epochs=2).fit(rng.normal(size=(n, 2)))
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


def test_awkward_tables(rng):
    repeated = np.repeat(rng.normal(size=(20, 3)), 20, 0)
    huge = rng.normal(size=(300, 2))
    huge[3], huge[4] = 1e30, -1e30
    wide = rng.normal(size=(120, 300))
    for rows in (repeated, huge, wide, rng.normal(size=(300, 1))):
        est = pf.DensityEstimator("gaussian", random_state=0).fit(rows)
        assert np.isfinite(est.score_samples(rows)).all()
        assert np.isfinite(est.sample(20, random_state=0)).all()


def test_a_flow_survives_huge_cells(rng):
    rows = rng.normal(size=(600, 2))
    rows[3], rows[4] = 1e30, -1e30
    est = pf.DensityEstimator("maf", random_state=0, max_epochs=1).fit(rows)
    assert np.isfinite(est.score_samples(rows)).all()
    assert np.isfinite(est.sample(20, random_state=0)).all()
