"""Awkward tables: what files, frames and declarations do at their edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pushforward.core.errors import DataError, OptionError, SchemaMismatchError
from pushforward.fitting.knots import quantile_knots
from pushforward.tables import Schema, from_frame, infer_schema, read_table, reading, stream_table
from pushforward.tables.column import Column
from pushforward.tables.columns import fit_columns
from pushforward.transforms import MarginalSpline


@pytest.fixture
def small_blocks(monkeypatch):
    """A block of 64 bytes, so that a short file has many."""
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 64)


@pytest.mark.parametrize(("later", "expected"), [(b"1.5,2\n", [1.5, 2.0]), (b"7,3\n", [7.0, 3.0])])
def test_a_csv_column_may_change_after_the_first_block(later, expected, tmp_path, small_blocks):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 40 + later)
    pieces = [from_frame(piece).values for piece in stream_table(path, rows=16)]
    values = np.concatenate(pieces)
    assert values.shape == (41, 2)
    assert values[-1].tolist() == expected


def test_late_text_is_named_by_column_and_line(tmp_path, small_blocks):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 40 + b"1,x\n")
    with pytest.raises(DataError, match="column 'b', line 42: 'x'"):
        read_table(path)


def test_delimiters_inside_a_quoted_header_are_part_of_the_name(tmp_path):
    (tmp_path / "t.csv").write_bytes(b'"a;b;c",d\n1,2\n')
    assert read_table(tmp_path / "t.csv").to_pydict() == {"a;b;c": [1], "d": [2]}


def test_a_byte_order_mark_alone_is_an_empty_file(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(DataError, match="empty"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame(np.eye(2), columns=["a", "a"]), "repeat"),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "'a', row 1: 'x'"),
        (np.array([[1, "x"], [3, 4]], object), "column '1', row 0: 'x'"),
        (pd.DataFrame({"a": [1, 2**53 + 1]}), "'a', row 1: 9007199254740993"),
        (np.array([[1], [-(2**60)]]), "column 0, row 1: -1152921504606846976"),
    ],
    ids=["repeated names", "one text", "one text in an array", "keys", "keys in an array"],
)
def test_frames_that_are_refused(table, message):
    with pytest.raises(DataError, match=message):
        from_frame(table)


@pytest.mark.parametrize(
    "declared",
    [
        {"kind": "rounded"},
        {"kind": "constant"},
        {"low": "0"},
        {"low": float("nan")},
        {"low": 2.0, "high": 1.0},
        {"limit": 3.0},
    ],
    ids=str,
)
def test_declarations_that_say_nothing_are_refused(declared, rng):
    with pytest.raises(OptionError):
        infer_schema(rng.normal(size=(50, 1)), ("a",), declared={"a": declared})


def test_a_declared_schema_must_have_the_tables_columns(rng):
    values = rng.normal(size=(20, 3))
    schema = infer_schema(values, ("a", "b", "c"))
    with pytest.raises(SchemaMismatchError, match="missing"):
        infer_schema(values[:, :2], ("a", "b"), declared=schema)


def test_stray_huge_cells_hide_neither_grid_nor_scale(rng):
    good = rng.integers(0, 90, 500).astype(float)
    plain = infer_schema(good[:, None], ("a",)).columns[0]
    stray = infer_schema(np.r_[good, 1e30][:, None], ("a",)).columns[0]
    assert (stray.kind, stray.resolution) == (plain.kind, plain.resolution) == ("integer", 1.0)
    assert abs(stray.centre - plain.centre) <= 1  # one row of 501 moves a median by one step
    assert abs(stray.scale / plain.scale - 1) < 0.05
    edge = infer_schema(np.r_[rng.normal(size=50), 1.7e308, -1.7e308][:, None], ("a",)).columns[0]
    assert 0.5 < edge.scale < 2


@pytest.mark.parametrize("resolution", [0.05, 0.125, 1 / 3, 0.25, 1e-6, 2.5, 1.0])
def test_restored_values_lie_on_their_grid(resolution, rng):
    schema = Schema((Column("a", "rounded", resolution, centre=0.3, scale=7.0),))
    values = schema.restore(rng.normal(size=(200, 1)))
    schema.check_cells(values)
    again = schema.restore(schema.standardize(values))
    np.testing.assert_array_equal(again, values)


@pytest.mark.parametrize("value", [0.0, 1e-6, 10.0, 1e4, 1e30])
def test_splines_are_finite_far_outside_with_finite_gradients(value, rng):
    spline = MarginalSpline([quantile_knots(rng.gamma(2.0, size=500), np.ones(500), 12)])

    def both(x):
        z, dlogp = spline.inverse(x)
        return z[0], dlogp

    for x in (value, -value):
        z, dlogp = spline.inverse(np.float32([x]))
        slopes = jax.jacrev(both)(np.float32([x]))
        assert np.isfinite(z).all()
        assert np.isfinite(dlogp)
        assert all(np.isfinite(slope).all() for slope in slopes)
        np.testing.assert_allclose(np.log(slopes[0][0]), dlogp, atol=1e-4)  # float32


def test_columns_follow_the_weights(rng):
    """Rows of weight zero change nothing; whole weights count as repetition of the centre."""
    u = np.r_[rng.normal(size=400), rng.normal(size=400) + 50][:, None]
    weights = np.r_[np.ones(400), np.zeros(400)]
    schema = infer_schema(u, ("a",), weights)
    alone = infer_schema(u[:400], ("a",))
    assert abs(schema.columns[0].centre - alone.columns[0].centre) < 0.05
    assert abs(schema.columns[0].scale / alone.columns[0].scale - 1) < 0.05
    fitted = fit_columns(schema.standardize(u), schema, weights).transform
    z = np.asarray(fitted.inverse(jnp.asarray(schema.standardize(u).T))[0])[0, :400]
    assert abs(z.mean()) < 0.1
    assert abs(z.std() - 1) < 0.1


@pytest.mark.parametrize("s", [np.inf, 2.0, 1.0])
def test_tails_are_as_heavy_as_the_columns(s, rng):
    """Of u = s sinh(v/s), v normal (s = inf: u = v), the model's far quantiles are the law's."""
    v, shares = rng.normal(size=4000), np.array([1e-5, 1e-4, 1 - 1e-4, 1 - 1e-5])
    law = (lambda v: s * np.sinh(v / s)) if np.isfinite(s) else (lambda v: v)
    u = 3.0 + 2.0 * law(v)
    schema = infer_schema(u[:, None], ("a",))
    transform = fit_columns(schema.standardize(u[:, None]), schema).transform
    z = jnp.asarray(stats.norm.ppf(shares))[None]
    found = schema.restore(np.asarray(transform.forward(z)[0], float).T)[:, 0]
    truth = 3.0 + 2.0 * law(stats.norm.ppf(shares))
    # 4,000 rows know a scale to some 2 %, and a tail's shape roughly: by a third at 4 sd
    np.testing.assert_allclose(np.log(np.abs(found - 3)), np.log(np.abs(truth - 3)), atol=0.35)


@pytest.mark.parametrize("scale", [1e-10, 1e-30, 1e-300])
def test_tiny_values_are_no_whole_numbers(scale, rng):
    schema = infer_schema(scale * rng.uniform(1, 9, size=(300, 1)), ("a",))
    assert schema.columns[0].kind == "continuous"


def test_times_are_refused():
    with pytest.raises(DataError, match="datetime64"):
        from_frame(np.array([["2020-01-01"], ["2021-01-01"]], "M8[D]"))
