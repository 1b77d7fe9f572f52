"""Columns that follow from others: found, set aside, rebuilt; nothing else is taken for one."""

import numpy as np
import pandas as pd
import pytest

import pushforward as pf
from pushforward.tables import Schema, infer_schema
from pushforward.tables.dependence import set_aside_dependent


def marked(table, declared=None):
    """Return the schema of a table of numbers, dependent columns marked."""
    values = table.to_numpy(float)
    schema = infer_schema(values, tuple(table.columns), declared=declared)
    return set_aside_dependent(schema, values, tuple(declared or ()))


def recipes(schema):
    return {c.name: (dict(c.recipe), c.intercept) for c in schema.columns if c.recipe}


def money(rng, n=400):
    """Return prices whose total comes first, a copy in cents and a temperature in two scales."""
    parts = np.round(rng.gamma(2.0, 50.0, (n, 3)), 2)
    total, heat = np.round(parts.sum(1), 2), rng.normal(20, 5, n)
    return pd.DataFrame(
        {
            "total": total,
            "net": parts[:, 0],
            "tax": parts[:, 1],
            "tip": parts[:, 2],
            "cents": np.round(parts[:, 0] * 100),
            "celsius": heat,
            "fahrenheit": 32 + 1.8 * heat,
            "free": rng.normal(size=n),
        }
    )


def one_hot(rng, n=500):
    kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    flags = (kind[:, None] == np.arange(3)).astype(float)
    table = pd.DataFrame(flags, columns=["red", "green", "blue"])
    return table.assign(size=kind * 10 + rng.normal(size=n)), kind


def test_sums_copies_and_scales_are_found(rng):
    found = recipes(marked(money(rng)))
    assert found == {
        "total": ({"net": 1.0, "tax": 1.0, "tip": 1.0}, 0.0),
        "cents": ({"net": 100.0}, 0.0),
        "fahrenheit": ({"celsius": 1.8}, 32.0),
    }


def test_float32_and_offsets_hide_nothing(rng):
    start = 1.7e9 + rng.integers(0, 10**6, 300)
    length = rng.integers(60, 6000, 300)
    table = pd.DataFrame({"start": start, "length": length, "end": start + length})
    assert recipes(marked(table)) == {"end": ({"start": 1.0, "length": 1.0}, 0.0)}
    narrow = rng.normal(size=(300, 2)).astype(np.float32)
    both = pd.DataFrame({"a": narrow[:, 0], "b": narrow[:, 1], "c": narrow[:, 0] - narrow[:, 1]})
    assert len(recipes(marked(both))) == 1


def test_nothing_else_is_taken_for_dependent(rng):
    n = 500
    x = rng.normal(size=(n, 3))
    table = pd.DataFrame(x, columns=list("abc"))
    table["near"] = table["a"] + table["b"] + 1e-5 * rng.normal(size=n)
    table["square"] = table["a"] ** 2
    table["mostly"] = np.where(np.arange(n) == n - 1, 0.0, table["c"] * 2)
    assert not recipes(marked(table))
    huge = pd.DataFrame(np.r_[x, [[1e30, 1e30, -1e30], [-1e30, -1e30, 1e30]]], columns=list("abc"))
    assert not recipes(marked(huge))
    few = pd.DataFrame(rng.normal(size=(20, 25)), columns=[f"x{i}" for i in range(25)])
    assert not recipes(marked(few))
    flags = pd.DataFrame({c: rng.integers(0, 2, n) for c in "uvw"}).astype(float)
    assert all(c.kind == "ordinal" for c in marked(flags).columns)
    copied = pd.DataFrame({"a": x[:, 0], "b": x[:, 0]})
    assert recipes(marked(copied)) == {"b": ({"a": 1.0}, 0.0)}
    assert not recipes(marked(copied, declared={"b": {"kind": "continuous"}}))


def test_the_density_is_that_of_the_other_columns(rng):
    table = money(rng)
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    kept = ["net", "tax", "tip", "celsius", "free"]
    other = pf.DensityEstimator("gaussian", random_state=0).fit(table[kept])
    np.testing.assert_allclose(
        estimator.score_samples(table), other.score_samples(table[kept]), rtol=1e-5
    )
    broken = table[:3].copy()
    broken.loc[0, "total"] += 0.01
    broken.loc[1, "fahrenheit"] += 0.1
    assert np.isinf(estimator.score_samples(broken)).tolist() == [True, True, False]
    drawn = estimator.sample(500, random_state=0)
    assert list(drawn.columns) == list(table.columns)
    assert np.isfinite(estimator.score_samples(drawn)).all()
    np.testing.assert_allclose(drawn["total"], drawn["net"] + drawn["tax"] + drawn["tip"])
    assert (drawn["cents"] == np.round(drawn["cents"])).all()


def test_what_follows_is_solved_before_it_is_drawn(rng):
    table = money(rng)
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    holes = table[:6].copy()
    holes.loc[0, "total"] = np.nan
    holes.loc[1, "tax"] = np.nan
    holes.loc[2, ["celsius", "free"]] = np.nan
    holes.loc[3, ["cents", "net", "total"]] = np.nan
    filled = estimator.impute(holes, random_state=0)
    np.testing.assert_allclose(filled[:2], table[:2])
    assert filled["celsius"][2] == pytest.approx(table["celsius"][2])
    assert np.isfinite(estimator.score_samples(filled)).all()
    known = estimator.estimate_log_prob(holes[:2])
    np.testing.assert_allclose(known.value, estimator.score_samples(table[:2]), rtol=1e-5)
    assert not np.asarray(known.std_error).any()


@pytest.mark.slow
def test_one_hot_groups_are_one_column(rng, tmp_path):
    table, kind = one_hot(rng)
    schema = marked(table)
    assert [c.kind for c in schema.columns] == ["one-hot", "dependent", "dependent", "continuous"]
    assert schema.sizes == (3,)
    assert (schema.codes(table.to_numpy())[:, 0] == kind).all()
    estimator = pf.DensityEstimator(random_state=0, max_epochs=20).fit(table)
    drawn = estimator.sample(1000, random_state=0)
    assert (drawn[["red", "green", "blue"]].sum(axis=1) == 1).all()
    assert abs(drawn["green"].mean() - 0.3) < 0.1
    assert abs(drawn["size"][drawn["green"] == 1].median() - 10) < 1
    wrong = table[:2].assign(red=1.0, green=1.0)
    assert np.isinf(estimator.score_samples(wrong)).all()
    mass = [
        estimator.score_samples(pd.DataFrame(np.eye(3), columns=list(table)[:3]).assign(size=0.0))
    ]
    assert np.isfinite(mass).all()
    estimator.save(tmp_path / "m")
    again = pf.load(tmp_path / "m")
    np.testing.assert_array_equal(again.score_samples(table), estimator.score_samples(table))
    assert Schema.from_json(schema.to_json()) == schema
    holes = table[:3].copy()
    holes.loc[0, ["red", "green", "blue"]] = np.nan
    holes.loc[1, [c for c in ("red", "green", "blue") if table[c][1] == 0]] = np.nan
    filled = estimator.impute(holes, random_state=0)
    assert (filled[["red", "green", "blue"]].sum(axis=1) == 1).all()
    pd.testing.assert_frame_equal(filled[1:], table[1:3], check_dtype=False)


def test_one_hot_codes_are_the_place_of_the_one(rng):
    table, kind = one_hot(rng)
    schema = marked(table)
    assert (schema.codes(table.to_numpy())[:, 0] == kind).all()
    rebuilt = schema.restore(schema.standardize(table.to_numpy()), schema.codes(table.to_numpy()))
    np.testing.assert_allclose(rebuilt, table)
    assert (schema.codes(table.assign(red=1.0, blue=1.0).to_numpy())[:, 0] == -1).all()


def test_a_group_of_booleans_and_a_complement(rng):
    kind = rng.choice(["p", "q", "r", "s"], 300)
    table = pd.get_dummies(pd.Series(kind)).assign(x=rng.normal(size=300))
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    drawn = estimator.sample(100, random_state=0)
    assert drawn.dtypes.equals(table.dtypes)
    assert (drawn[["p", "q", "r", "s"]].sum(axis=1) == 1).all()
    two = pd.DataFrame({"yes": kind == "p", "no": kind != "p", "x": rng.normal(size=300)})
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(two)
    drawn = estimator.sample(100, random_state=0)
    assert (drawn["yes"] != drawn["no"]).all()
    assert drawn.dtypes.equals(two.dtypes)
    whole = pd.DataFrame({"a": rng.poisson(9, 300), "b": rng.poisson(50, 300), "c": 7})
    whole["sum"] = whole["a"] + whole["b"]
    drawn = pf.DensityEstimator("gaussian", random_state=0).fit(whole).sample(5, random_state=0)
    assert drawn.dtypes.equals(whole.dtypes)
