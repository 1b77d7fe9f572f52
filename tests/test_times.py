"""Dates as weeks, weekdays and times of day; times of day and angles on a circle."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

import pushforward as pf
from pushforward.cli.main import main
from pushforward.core.errors import DataError, OptionError
from pushforward.tables import from_frame, infer_schema
from pushforward.tables.frames import split_dates, to_frame


def moments_in_time(rng, n, seconds=1.0):
    """Monday to Friday, around midnight."""
    days = rng.choice(5, n, p=[0.4, 0.3, 0.1, 0.1, 0.1]) + 7 * rng.integers(0, 60, n)
    clock = np.mod(rng.normal(0.3, 1.2, n), 24) * 3600
    clock = np.minimum(np.round(clock / seconds) * seconds, 86_399)
    return pd.Timestamp("2019-12-30") + pd.to_timedelta(days * 86_400 + clock, unit="s")


@pytest.mark.parametrize("kind", ["date", "datetime"])
def test_a_date_is_its_parts_and_back(kind, rng):
    """All centuries that nanoseconds hold, before 1970 too; weekdays are the calendar's."""
    micro = rng.integers(-8 * 10**15, 9 * 10**15, 300)
    times = [dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(m)) for m in micro]
    cells = times if kind == "datetime" else [t.date() for t in times]
    table = pl.DataFrame({"when": cells, "x": rng.normal(size=300)})
    frame = split_dates(from_frame(table))
    schema = infer_schema(frame.values, frame.names, None, frame.sources)
    weekday = frame.values[:, schema.names.index("when (weekday)")]
    assert weekday.astype(int).tolist() == [cell.weekday() for cell in cells]
    made = schema.remade(frame.values, np.tile(np.array(schema.names) == "when", (300, 1)))
    assert np.abs(made[:, 0] - frame.values[:, 0]).max() < 1e-5
    assert schema.table_names == ("when", "x")
    back = to_frame(made, schema, "polars")
    assert back.columns == table.columns
    gap = [abs(a - b) for a, b in zip(back["when"].to_list(), cells, strict=True)]
    assert max(gap) <= dt.timedelta(microseconds=10)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_sampled_dates_keep_weekdays_and_hours(library, rng, tmp_path):
    table = pd.DataFrame({"when": moments_in_time(rng, 800), "x": rng.normal(size=800)})
    mine = table if library == "pandas" else pl.from_pandas(table)
    mine = mine.to_arrow() if library == "pyarrow" else mine
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(mine)
    assert estimator.n_features_in_ == 2
    assert list(estimator.feature_names_in_) == ["when", "x"]
    drawn = estimator.sample(3000, random_state=1)
    assert type(drawn) is type(mine)
    assert np.isfinite(estimator.score_samples(drawn)).all()
    when = pd.Series(pl.DataFrame(drawn)["when"].to_list() if library != "pandas" else drawn.when)
    share = when.dt.day_of_week.value_counts(normalize=True)
    assert share.get(5, 0) + share.get(6, 0) < 0.02
    assert abs(share[0] - 0.4) < 0.08
    midday = when.dt.hour.between(7, 17).mean()
    assert midday < 0.02
    estimator.save(tmp_path / "m")
    again = pf.load(tmp_path / "m").score_samples(mine)
    np.testing.assert_array_equal(again, estimator.score_samples(mine))
    with pytest.raises(pf.core.errors.SchemaMismatchError, match=r"missing \['when'\]"):
        estimator.score_samples(mine[["x"]] if library != "pyarrow" else mine.select(["x"]))


def test_a_date_in_parts_is_given_or_imputed(rng):
    table = pd.DataFrame({"when": moments_in_time(rng, 600), "x": rng.normal(size=600)})
    table["x"] += 5.0 * (table["when"].dt.day_of_week == 0)
    estimator = pf.DensityEstimator("nsf", random_state=0, max_epochs=3).fit(table)
    filled = estimator.impute(table.head(4).assign(when=pd.NaT), 50, random_state=0)
    assert filled["when"].notna().all()
    assert (filled["when"].dt.day_of_week < 6).mean() > 0.95
    monday = table[table["when"].dt.day_of_week == 0][["when"]].head(1)
    drawn = estimator.sample(200, given=monday, random_state=0)
    assert (drawn["when"] == monday["when"].iloc[0]).all()
    assert drawn["x"].mean() > 3
    assert np.isfinite(estimator.estimate_log_prob(table.head(3).assign(when=pd.NaT)).value).all()


def test_a_date_that_is_declared_or_may_be_missing_stays_whole(rng):
    table = pd.DataFrame({"when": moments_in_time(rng, 300), "x": rng.normal(size=300)})
    whole = pf.DensityEstimator("gaussian", schema={"when": {"kind": "continuous"}}).fit(table)
    assert whole.schema_.names == ("when", "x")
    table.loc[3, "when"] = pd.NaT
    assert pf.DensityEstimator("gaussian").fit(table).schema_.names == ("when", "x")
    table = table.drop(index=3).assign(**{"when (week)": 1.0})
    with pytest.raises(DataError, match="another name"):
        pf.DensityEstimator("gaussian").fit(table)


def test_dates_by_the_command_line(rng, tmp_path, capsys):
    table = pd.DataFrame({"when": moments_in_time(rng, 400), "x": rng.normal(size=400)})
    table.to_csv(tmp_path / "rows.csv", index=False)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code

    rows, model = tmp_path / "rows.csv", tmp_path / "model"
    assert run("fit", rows, "-o", model, "--model", "gaussian", "-q") == 0
    assert run("sample", model, "-n", "50", "-o", tmp_path / "drawn.csv", "-q") == 0
    drawn = pd.read_csv(tmp_path / "drawn.csv", parse_dates=["when"])
    assert list(drawn.columns) == ["when", "x"]
    assert drawn["when"].dt.day_of_week.max() < 6
    assert run("score", model, tmp_path / "drawn.csv", "-o", tmp_path / "scores.csv", "-q") == 0
    assert run("report", model, rows, "-o", tmp_path / "page.html", "-q") == 0
    assert (
        run("fit", rows, "-o", tmp_path / "m2", "--target", "x", "--model", "gaussian", "-q") == 0
    )
    scores = tmp_path / "s2.csv"
    assert run("score", tmp_path / "m2", rows, "-o", scores, "-q") == 0
    assert np.isfinite(pd.read_csv(scores)["log_prob"]).all()


@pytest.mark.parametrize("resolution", [0.0, 1.0])
def test_a_circle_has_no_beginning(resolution, rng):
    """Turned by a whole number of arcs, all values have the densities that they had."""
    angle = np.mod(rng.vonmises(0.2, 2.0, 700) * 180 / np.pi, 360)
    angle = np.mod(np.round(angle), 360) if resolution else angle
    x = np.cos(angle * np.pi / 180) + 0.3 * rng.normal(size=700)
    scores = []
    for turn in (0, 35, 180, 355):
        turned = np.stack([np.mod(angle + turn, 360), x], 1)
        estimator = pf.DensityEstimator(
            "gaussian", schema={"x0": {"period": 360}}, random_state=0
        ).fit(turned)
        scores.append(estimator.score_samples(turned))
        np.testing.assert_allclose(
            estimator.score_samples(turned + [360.0, 0.0]), scores[-1], atol=1e-4
        )
        drawn = estimator.sample(500, random_state=0)
        assert ((drawn[:, 0] >= 0) & (drawn[:, 0] < 360)).all()
    np.testing.assert_allclose(scores, np.tile(scores[0], (4, 1)), atol=2e-3)


def test_mass_on_a_circle_is_one(rng):
    """All of a day's minutes; the density on both sides of midnight is one density."""
    minutes = np.mod(np.round(rng.normal(0, 120, 900)), 1440)
    times = [dt.time(int(m) // 60, int(m) % 60) for m in minutes]
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(pl.DataFrame({"t": times}))
    column = estimator.schema_.columns[0]
    assert (column.resolution, column.circle) == (60.0, (0.0, 86_400.0))
    day = [dt.time(m // 60, m % 60) for m in range(1440)]
    log_p = estimator.score_samples(pl.DataFrame({"t": day}))
    assert abs(60 * np.exp(log_p).sum() - 1) < 1e-3
    assert abs(log_p[-1] - log_p[0]) < 0.2
    assert log_p[0] - log_p[720] > 3


def test_a_time_of_day_as_a_condition_is_a_point_of_the_circle(rng):
    """y is linear in cosine and sine: the Gaussian's regression finds it across midnight."""
    when = moments_in_time(rng, 900)
    hour = (when.hour + when.minute / 60).to_numpy()
    y = 4 * np.cos(2 * np.pi * (hour - 1) / 24) + 0.1 * rng.normal(size=900)
    face = pf.ConditionalDensityEstimator("gaussian", random_state=0)
    face.fit(pd.DataFrame({"when": when}), y)
    predicted = face.predict(pd.DataFrame({"when": when}))
    assert np.std(predicted - y) < 0.2


def test_angles_by_name_and_what_is_no_circle(rng):
    values = rng.uniform(0, 360, (400, 2))
    schema = infer_schema(values, ("wind direction", "weight"))
    assert [bool(column.circle) for column in schema.columns] == [True, False]
    assert schema.columns[0].reason.startswith("an angle")
    half = infer_schema(values / 2, ("angle", "weight"))
    assert not half.columns[0].circle
    radians = infer_schema((values - 180) * np.pi / 180, ("heading", "x")).columns[0]
    assert radians.circle == pytest.approx((-np.pi, 2 * np.pi))
    for declared in ({"period": -1.0}, {"period": 360.0, "low": 0.0}):
        with pytest.raises(OptionError, match="period"):
            infer_schema(values, ("a", "b"), declared={"a": declared})


def test_the_mean_of_a_circle_is_a_direction(rng):
    """Around the cut of records at 0 the mean is near 0, not near 180."""
    y = np.mod(rng.normal(2, 10, 400), 360)
    face = pf.ConditionalDensityEstimator(
        "gaussian", schema={"y": {"period": 360}}, random_state=0
    ).fit(rng.normal(size=(400, 1)), y)
    mean = face.predict(np.zeros((2, 1)))
    assert (np.abs(np.mod(mean - 2 + 180, 360) - 180) < 5).all()
    with pytest.raises(OptionError, match="circle"):
        face.cdf(np.zeros((1, 1)), np.zeros(1))


def test_a_week_to_come_is_possible(rng):
    """Few weeks with many rows each are no list of levels."""
    table = pd.DataFrame({"when": moments_in_time(rng, 3000), "x": rng.normal(size=3000)})
    table["when"] = pd.Timestamp("2020-01-06") + (
        table["when"] - table["when"].min()
    ) % pd.Timedelta(weeks=20)
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    assert estimator.schema_.columns[2].kind == "integer"
    later = table.head(5).assign(when=table["when"].head(5) + pd.Timedelta(weeks=20))
    assert np.isfinite(estimator.score_samples(later)).all()


def test_no_value_lies_on_the_cut(rng):
    """Half of the times on ten minutes, half to the millisecond; later ones may be anywhere."""
    seconds = np.round(rng.uniform(0, 86_400, 600) / 600) * 600
    seconds[::2] = np.round(rng.uniform(0, 86_400, 300), 3)
    seconds = np.minimum(seconds, 86_399.0)
    midnight = dt.datetime(2000, 1, 1)
    times = [(midnight + dt.timedelta(seconds=float(s))).time() for s in seconds]
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(pl.DataFrame({"t": times}))
    assert np.isfinite(estimator.score_samples(pl.DataFrame({"t": times}))).all()
    angles = np.append(rng.uniform(0, 360, 300), [0.0, 360.0])
    circle = pf.DensityEstimator("gaussian", schema={"x0": {"period": 360}}).fit(angles[:, None])
    cut = circle.schema_.columns[0].low
    around = np.array([[cut - 1e-9], [cut], [cut + 1e-9]])
    assert np.isfinite(circle.score_samples(np.mod(around, 360))).all()


def test_what_is_declared_of_a_circle(rng):
    """Another resolution cuts it again; bounds make it a line. The mass is one."""
    minutes = np.round(rng.uniform(0, 1439, 700))
    times = [dt.time(int(m) // 60, int(m) % 60) for m in minutes]
    table = pl.DataFrame({"t": times})
    for declared, step in (
        ({"resolution": 1.0}, 1.0),
        ({"kind": "continuous"}, 10.0),
        ({"low": 0.0, "high": 86_340.0}, 60.0),
    ):
        estimator = pf.DensityEstimator("gaussian", schema={"t": declared}, random_state=0)
        estimator.fit(table)
        column = estimator.schema_.columns[0]
        assert bool(column.circle) == ("low" not in declared)
        first = 0.0 if "low" in declared or "resolution" in declared else step / 2
        grid = np.arange(first, 86_400, step)
        midnight = dt.datetime(2000, 1, 1)
        day = [(midnight + dt.timedelta(seconds=float(s))).time() for s in grid]
        log_p = estimator.score_samples(pl.DataFrame({"t": day}))
        assert np.exp(log_p).sum() * step == pytest.approx(1, abs=5e-3), declared
    wind = {"wind direction": {"period": 0}}
    values = rng.uniform(0, 360, (300, 1))
    assert not infer_schema(values, ("wind direction",), declared=wind).columns[0].circle


def test_dates_of_any_type(rng):
    """Wall clocks of a time zone; Python's dates; dates scored as datetimes and the other way."""
    moments = moments_in_time(rng, 400)
    x = rng.normal(size=400)
    plain = pf.DensityEstimator("gaussian", random_state=0).fit(
        pd.DataFrame({"when": moments, "x": x})
    )
    zoned = pd.DataFrame({"when": moments.tz_localize("Asia/Tokyo"), "x": x})
    twin = pf.DensityEstimator("gaussian", random_state=0).fit(zoned)
    scores = plain.score_samples(pd.DataFrame({"when": moments, "x": x}))
    np.testing.assert_array_equal(twin.score_samples(zoned), scores)
    days = moments.normalize()
    for cells in ([None, *days.date[1:]], list(days.date)):
        dates = pl.DataFrame({"when": pl.Series(cells, dtype=pl.Date), "x": x})
        fitted = pf.DensityEstimator("gaussian", random_state=0).fit(dates)
        objects = pd.DataFrame({"when": pd.Series(cells, dtype=object), "x": x})
        late = pd.DataFrame({"when": pd.to_datetime(pd.Series(cells, dtype=object)), "x": x})
        wanted = fitted.score_samples(dates)
        np.testing.assert_allclose(fitted.score_samples(objects), wanted, atol=1e-9)
        np.testing.assert_allclose(fitted.score_samples(late), wanted, atol=1e-9)
        with pytest.raises(DataError, match="a time of day"):
            fitted.score_samples(pd.DataFrame({"when": moments, "x": x}))


def test_a_date_that_follows_another_is_made_of_it(rng):
    start = moments_in_time(rng, 300)
    table = pd.DataFrame({"start": start, "x": rng.normal(size=300)})
    table["end"] = table["start"] + pd.Timedelta(days=3)
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    drawn = estimator.sample(100, random_state=0)
    assert ((drawn["end"] - drawn["start"]) == pd.Timedelta(days=3)).all()
    assert np.isfinite(estimator.score_samples(drawn)).all()
    broken = table.assign(end=table["end"] + pd.Timedelta(days=40))
    assert (estimator.score_samples(broken) == -np.inf).all()


def test_an_interval_on_a_circle_goes_through_its_mean(rng):
    y = np.mod(rng.normal(350, 20, 400), 360)
    face = pf.ConditionalDensityEstimator(
        "gaussian", schema={"y": {"period": 360}}, random_state=0
    ).fit(rng.normal(size=(400, 1)), y)
    low, high = face.predict_interval(np.zeros((1, 1)), 0.9)[0]
    assert 300 < low < 335
    assert 5 < high < 45
