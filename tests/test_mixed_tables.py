"""Tables as people have them: texts, missing cells, single values, dates; in and out."""

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pushforward as pf
from pushforward.core.errors import DataError, OptionError
from pushforward.tables import Schema, from_frame, infer_schema, read_table

N = 600


def pandas_table(rng, n=N):
    """Four seasons, a count that follows them, a value with zeros, each with missing cells."""
    season = rng.choice(["autumn", "spring", "summer", "winter"], n)
    hot = np.where(season == "summer", 20.0, 5.0)
    rain = np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, 3.0, n))
    days = pd.Series(rng.poisson(hot), dtype="Int64")
    days[rng.random(n) < 0.1] = pd.NA
    level = pd.Categorical(rng.choice(["low", "high"], n), categories=["low", "mid", "high"])
    return pd.DataFrame(
        {
            "season": pd.Series(season).where(rng.random(n) > 0.05),
            "days": days,
            "rain": pd.Series(rain).where(rng.random(n) > 0.2),
            "level": level,
            "open": rng.random(n) < 0.3,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n), "D"),
            "same": "x",
        }
    )


def kinds(schema):
    return {c.name: c.kind for c in schema.columns}


def test_kinds_of_a_real_table(rng):
    frame = from_frame(pandas_table(rng))
    schema = infer_schema(frame.values, frame.names, sources=frame.sources)
    assert kinds(schema) == {
        "season": "categorical",
        "days": "integer",
        "rain": "continuous",
        "level": "categorical",
        "open": "boolean",
        "day": "continuous",
        "same": "constant",
    }
    season, days, rain, level = schema.columns[:4]
    assert season.missing
    assert days.missing
    assert rain.atoms == (0.0,)
    assert level.categories == ("low", "mid", "high")
    assert schema.sizes == (5, 2, 3, 3, 2)
    assert Schema.from_json(schema.to_json()) == schema
    again = schema.restore(schema.standardize(frame.values), schema.codes(frame.values))
    np.testing.assert_allclose(again, frame.values, rtol=1e-9)


@pytest.mark.parametrize(
    ("column", "kind", "atoms"),
    [
        (lambda rng: np.minimum(rng.normal(size=2000), 1.5), "continuous", (1.5,)),
        (lambda rng: np.where(rng.random(2000) < 0.1, 99, rng.normal(size=2000)), None, (99.0,)),
        (lambda rng: np.where(rng.random(2000) < 0.6, 0, rng.poisson(30, 2000)), "integer", (0.0,)),
        (lambda rng: rng.integers(0, 2, 2000), "ordinal", (0.0, 1.0)),
        (lambda rng: rng.integers(1, 7, 2000), "ordinal", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)),
        (lambda rng: rng.poisson(30, 2000), "integer", ()),
        (lambda rng: rng.geometric(0.05, 2000), "integer", ()),
    ],
    ids=["cap", "sentinel", "zeros", "flag", "die", "counts", "geometric"],
)
def test_single_values_are_found(column, kind, atoms, rng):
    v = column(rng).astype(float)
    found = infer_schema(v[:, None], ("a",)).columns[0]
    assert found.atoms == atoms
    assert found.kind == (kind or "continuous")


def test_masses_of_a_table_of_categories_sum_to_one(rng):
    rows = np.stack([rng.choice(["a", "b"], 300), rng.choice(["u", "v", "w"], 300)], 1)
    rows[:, 1] = np.where(rows[:, 0] == "a", "u", rows[:, 1])
    estimator = pf.DensityEstimator(random_state=0, max_epochs=20).fit(rows.astype(object))
    every = np.array(list(itertools.product("ab", "uvw")), object)
    mass = np.exp(estimator.score_samples(every))
    assert abs(mass.sum() - 1) < 1e-4
    assert mass[every[:, 0] == "a"][0] > 2 * mass[every[:, 0] == "a"][1:].sum()
    assert estimator.score_samples(np.array([["c", "u"]], object)) == -np.inf
    assert estimator.card_["evidence"] == "exact"
    assert set(estimator.sample(50, random_state=0)[:, 1]) <= set("uvw")


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_samples_come_back_as_the_table_came_in(library, rng, tmp_path):
    table = pandas_table(rng)
    if library == "polars":
        table = pl.from_pandas(table).with_columns(
            pl.col("level").cast(pl.Enum(["low", "mid", "high"]))
        )
    elif library == "pyarrow":
        table = pa.Table.from_pandas(table)
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    drawn = estimator.sample(2000, random_state=1)
    assert type(drawn) is type(table)
    mine, theirs = (t.to_pandas() if library != "pandas" else t for t in (drawn, table))
    assert list(mine.columns) == list(theirs.columns)
    for name in ("season", "days", "rain", "level", "open", "same"):
        assert mine[name].dtype == theirs[name].dtype or library != "pandas", name
        rate, own = mine[name].isna().mean(), theirs[name].isna().mean()
        assert abs(rate - own) < 0.06, name  # 5 sd: 480 of 600 rows learn, 2,000 are drawn
    if library == "pandas":  # though no row drawn is "mid"
        assert estimator.sample(3, random_state=1)["level"].dtype == table["level"].dtype
    if library == "polars":
        assert drawn.schema["level"] == table.schema["level"]
        assert drawn.schema["open"] == pl.Boolean
    assert np.issubdtype(mine["day"].dtype, np.datetime64)
    assert abs((mine["rain"] == 0).mean() - (theirs["rain"] == 0).mean()) < 0.08
    scores = estimator.score_samples(drawn)
    assert np.isfinite(scores).all()  # every sampled row is valid
    estimator.save(tmp_path / "m")
    np.testing.assert_array_equal(pf.load(tmp_path / "m").score_samples(drawn), scores)
    shown = pf.load(tmp_path / "m").sample(2000, random_state=1)
    assert type(shown) is type(table)


def test_a_unit_moves_all_scores_alike_but_those_of_single_values(rng):
    """Scores change by log(unit) where there is a value, not at all where there is an atom."""
    x = np.where(rng.random(800) < 0.3, 0.0, rng.normal(5, 1, 800))[:, None]
    x = np.concatenate([x, rng.normal(size=(800, 1))], 1)
    a, b = (
        pf.DensityEstimator("gaussian", random_state=0).fit(x * [u, 1.0]).score_samples(x * [u, 1])
        for u in (1.0, 1000.0)
    )
    there = x[:, 0] != 0
    odd_a, odd_b = (
        pf.DensityEstimator("gaussian", random_state=0).fit(x * [u, 1.0]).p_values(x * [u, 1.0])
        for u in (1.0, 1000.0)
    )
    assert (odd_a == odd_b).mean() > 0.95  # float32 orders a few near ties otherwise
    np.testing.assert_allclose((a - b)[there], np.log(1000), atol=5e-3)
    np.testing.assert_allclose((a - b)[~there], 0, atol=5e-3)


def test_what_cannot_be_read_is_refused_by_place(rng):
    whole = rng.normal(size=(100, 2))
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(whole)
    with pytest.raises(DataError, match="row 3: NaN, a missing value"):
        estimator.score_samples(np.where(np.arange(200).reshape(100, 2) == 6, np.nan, whole))
    with pytest.raises(DataError, match="'reject'"):
        pf.DensityEstimator("gaussian", missing="reject").fit(np.where(whole > 2, np.nan, whole))
    with pytest.raises(OptionError, match="missing"):
        pf.DensityEstimator("gaussian", missing="guess").fit(whole)
    with pytest.raises(DataError, match="'a', row 0: 'x'"):
        pf.DensityEstimator("gaussian", random_state=0).fit(
            pd.DataFrame(whole, columns=["a", "b"])
        ).score_samples(pd.DataFrame({"a": ["x"], "b": [1.0]}))
    with pytest.raises(DataError, match="looks like a key"):
        pf.DensityEstimator("gaussian").fit(pd.DataFrame({"id": [f"n{i}" for i in range(200)]}))
    with pytest.raises(DataError, match="'x' among numbers"):
        pf.DensityEstimator("gaussian").fit(pd.DataFrame({"a": [*map(str, range(99)), "x"]}))
    mixed = pf.DensityEstimator("gaussian", random_state=0).fit(pandas_table(rng))
    with pytest.raises(OptionError, match="latents do not hold season"):
        mixed.inverse_transform(np.zeros((2, 3)))


def test_numbers_among_texts_are_texts(rng):
    """A piece of a streamed file may hold only the numbers among a column's texts."""
    table = pd.DataFrame(
        {"a": rng.choice(["1", "2", "x", "y", "z"], 200), "b": rng.normal(size=200)}
    )
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    rows = table[table.a.isin(["1", "2"])]
    np.testing.assert_array_equal(
        estimator.score_samples(rows.assign(a=rows.a.astype(int))), estimator.score_samples(rows)
    )


def test_missing_texts_of_every_kind_are_missing():
    for empty in (None, np.nan, np.float32(np.nan), pd.NA):
        for dtype in (object, "string", "category"):
            column = pd.Series(["x", empty, "y"], dtype=dtype)
            np.testing.assert_array_equal(
                from_frame(pd.DataFrame({"a": column})).values[:, 0], [0, np.nan, 1]
            )


def test_blank_cells_of_a_file_are_missing(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n,y\n3,\n4,NA\n")
    frame = from_frame(read_table(tmp_path / "t.csv"))
    np.testing.assert_array_equal(np.isnan(frame.values), [[0, 0], [1, 0], [0, 1], [0, 1]])
    assert frame.sources[1].categories == ("x", "y")


@pytest.mark.slow
def test_a_flow_learns_a_mixed_table(rng):
    """Held-out nats come within 0.1 of those of the law that made the 4,000 rows."""

    def draw(n):
        group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
        zero = rng.random(n) < np.array([0.1, 0.5, 0.9])[group]
        x = np.where(zero, 0.0, np.exp(group + 0.5 * rng.standard_normal(n)))
        gone = rng.random(n) < 0.2
        y = np.where(gone, np.nan, np.sin(x) + group + 0.2 * rng.standard_normal(n))
        share = np.array([0.1, 0.5, 0.9])[group]
        log_p = np.log(np.array([0.5, 0.3, 0.2])[group])
        safe = np.where(zero, 1.0, x)
        lognormal = -0.5 * ((np.log(safe) - group) / 0.5) ** 2 - np.log(
            0.5 * safe * np.sqrt(2 * np.pi)
        )
        log_p += np.where(zero, np.log(share), np.log1p(-share) + lognormal)
        normal = -0.5 * ((np.nan_to_num(y) - np.sin(x) - group) / 0.2) ** 2
        normal -= np.log(0.2 * np.sqrt(2 * np.pi))
        log_p += np.where(gone, np.log(0.2), np.log(0.8) + normal)
        return pd.DataFrame({"g": np.array(["a", "b", "c"])[group], "x": x, "y": y}), log_p

    estimator = pf.DensityEstimator(random_state=0).fit(draw(4000)[0])
    fresh, truth = draw(4000)
    gap = truth - estimator.score_samples(fresh)
    error = gap.std() / np.sqrt(len(gap))
    assert -3 * error < gap.mean() < 0.1 + 3 * error, gap.mean()


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_times_of_day_are_seconds_within_the_day(library, rng):
    """The same law as that of the seconds with the day declared as a circle; times come back."""
    seconds = 60 * np.round(rng.normal(540, 200, 300)).clip(0, 1439)
    times = [dt.time(int(s) // 3600, int(s) // 60 % 60) for s in seconds]
    x = seconds / 3600 + rng.normal(size=300)
    frame = pl.DataFrame({"time": [None, *times[1:]], "x": x})
    if library == "pandas":
        frame = pd.DataFrame({"time": [None, *times[1:]], "x": x})
    elif library == "pyarrow":
        frame = frame.to_arrow()
    fitted = pf.DensityEstimator("gaussian", random_state=0).fit(frame)
    numbers = pl.DataFrame({"time": [None, *seconds[1:].tolist()], "x": x})
    declared = {"time": {"kind": "rounded", "resolution": 60.0, "period": 86_400.0}}
    twin = pf.DensityEstimator("gaussian", schema=declared, random_state=0).fit(numbers)
    np.testing.assert_array_equal(fitted.score_samples(frame), twin.score_samples(numbers))
    drawn = fitted.sample(500, random_state=1)
    cells = pl.from_arrow(drawn) if library == "pyarrow" else drawn
    found = [cell for cell in cells["time"].to_list() if cell is not None]
    assert {type(cell) for cell in found} == {dt.time}
    assert {cell.second for cell in found} == {0}
    assert np.isfinite(fitted.score_samples(drawn)).all()


def test_times_between_seconds(rng):
    """No grid: anywhere in the day, from its first moment on."""
    seconds = rng.uniform(0, 86_400, 200)
    seconds[:2] = 0.0, 86_399.999999
    microseconds = np.round(1e6 * seconds).astype(int).tolist()
    times = [(dt.datetime(2000, 1, 1) + dt.timedelta(microseconds=k)).time() for k in microseconds]
    fitted = pf.DensityEstimator("gaussian", random_state=0).fit(
        pl.DataFrame({"time": times, "x": seconds + rng.normal(size=200)})
    )
    drawn = fitted.sample(300, random_state=0)
    assert drawn["time"].dtype == pl.Time
    assert np.isfinite(fitted.score_samples(drawn)).all()
