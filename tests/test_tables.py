"""Tables: densities in the table's own units, what columns are, and files in and out."""

import gzip

import jax
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import pushforward as pf
from pushforward.core.bases import Density
from pushforward.core.errors import DataError, OutputError, SchemaMismatchError
from pushforward.core.programs import prepared
from pushforward.densities import CategoricalAutoregressive, Mixed, Pushforward, StandardNormal
from pushforward.fitting.knots import evaluate_knots, quantile_knots
from pushforward.judge.candidates import TrainingRows
from pushforward.tables import (
    Schema,
    TableDensity,
    TableWriter,
    from_frame,
    infer_schema,
    read_table,
    stream_table,
)
from pushforward.tables.columns import fit_columns
from pushforward.transforms import Chain, ContextShift, MarginalSpline


def table_density(values, nodes=1, declared=None):
    """The product of fitted marginals: exact, quick, and as hard on the columns as any model."""
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    schema = infer_schema(values, names, declared=declared)
    u = schema.standardize(values)
    noisy = u + schema.cells() * np.random.default_rng(0).uniform(-0.5, 0.5, u.shape)
    columns = fit_columns(noisy, schema).transform if schema.valued else None
    base = StandardNormal(u.shape[1], schema.is_partial)
    if not schema.coded:
        return TableDensity(schema, Pushforward(columns, base), nodes)
    nothing = np.empty((len(values), 0))
    rows = TrainingRows(schema, schema.codes(values), noisy, np.ones(len(values)), nothing)
    codes = CategoricalAutoregressive(schema.sizes, key=jax.random.key(0), masses=rows.masses())
    seen = ContextShift(u.shape[1], codes.n_flags) if columns else None
    given = Pushforward(Chain([seen, columns]), base) if columns else None
    return TableDensity(schema, Mixed(codes, given, schema.presence), nodes)


def test_kinds(rng):
    values = np.stack(
        [
            rng.normal(size=500),
            rng.integers(0, 90, 500),
            rng.integers(0, 500, 500) / 100,
            np.full(500, 3.0),
            rng.integers(0, 2**40, 500),
            rng.integers(0, 9, 500) * 0.25,
        ],
        1,
    )
    schema = infer_schema(values, tuple("abcdef"))
    kinds = [(c.kind, c.resolution) for c in schema.columns]
    assert kinds == [
        ("continuous", 0),
        ("integer", 1),
        ("rounded", 0.01),
        ("constant", 0),
        ("continuous", 0),
        ("rounded", 0.25),
    ]
    assert all(column.reason for column in schema.columns)
    assert Schema.from_json(schema.to_json()) == schema


def test_mass_is_one_in_the_tables_units(rng):
    """Quadrature over heavy-tailed, half-line and interval columns: 2e-3."""
    cases = [
        (rng.standard_t(2, 800) * 50 + 7, None, np.sinh(np.linspace(-18, 18, 60001)) * 10 + 7),
        (rng.gamma(2.0, 3.0, 800), {"low": 0.0}, np.exp(np.linspace(-30, 12, 40001))),
        (
            rng.beta(2, 2, 800) * 4 + 1,
            {"low": 1.0, "high": 5.0},
            1 + 4 / (1 + np.exp(-np.linspace(-16, 16, 20001))),
        ),
    ]
    for column, declared, edges in cases:
        model = table_density(column[:, None], declared={"c0": declared} if declared else None)
        middle = (edges[1:] + edges[:-1]) / 2
        mass = (np.exp(model.log_prob(middle[:, None])) * np.diff(edges)).sum()
        assert abs(mass - 1) < 2e-3, (declared, mass)


def test_cells_of_whole_numbers_sum_to_one(rng):
    """A value alone: cells by the distribution function, to float32's sum over 260 of them."""
    counts = rng.poisson(6, (600, 1)).astype(float)
    model = table_density(counts)
    assert str(model.evidence) == "exact"
    cells = np.arange(-60.0, 200)[:, None]
    log_p = model.log_prob(cells)
    assert abs(np.exp(log_p).sum() - 1) < 1e-5
    beside = np.concatenate([counts, rng.normal(size=counts.shape)], 1)
    assert str(table_density(beside).evidence) == "numerical"


def test_no_mass_beyond_declared_bounds(rng):
    """All cells from far below to far above: those inside sum to one, the others have none."""
    counts = rng.poisson(30, (500, 1)).clip(0, 60).astype(float)
    model = table_density(counts, declared={"c0": {"low": 0.0, "high": 60.0}})
    cells = np.arange(-20.0, 120)
    log_p = model.log_prob(cells[:, None])
    inside = (cells >= 0) & (cells <= 60)
    assert (log_p[~inside] == -np.inf).all()
    assert abs(np.exp(log_p[inside]).sum() - 1) < 1e-5


@pytest.mark.parametrize("kind", ["wide", "narrow", "bounded", "atoms"])
def test_a_cells_mass_is_its_quadrature(rng, kind):
    """F(hi) − F(lo) against 2,000 nodes of the density, on cells of 0.001 to 2 sd, codes too."""
    values = np.round(rng.gamma(2, 2, 900) * (3 if kind != "wide" else 0.8))
    values = values if kind != "narrow" else np.round(rng.gamma(2, 2, 900), 3)
    columns = [values]
    if kind == "atoms":
        values[rng.random(900) < 0.3] = -99.0
        values[rng.random(900) < 0.1] = np.nan
        columns.append(rng.integers(0, 2, 900).astype(float))
    declared = {"c0": {"low": 0.0}} if kind == "bounded" else None
    model = table_density(np.stack(columns, 1), 2000, declared)
    assert str(model.evidence) == "exact"
    rows = np.stack(columns, 1)[:60]
    call = prepared(Density.log_prob, model.density)
    nodes = model._scored(rows, np.empty((60, 0)), call, model._offsets())
    np.testing.assert_allclose(model.log_prob(rows), nodes, atol=2e-3, rtol=0)


def test_cell_density_converges_with_nodes(rng):
    values = np.round(rng.normal(size=(500, 2)), 1)
    exact = table_density(values, nodes=1024).log_prob(values[:20])
    gaps = [
        np.abs(table_density(values, nodes=k).log_prob(values[:20]) - exact).max() for k in (8, 128)
    ]
    assert gaps[1] < gaps[0]
    assert gaps[1] < 0.03


def test_a_unit_changes_the_log_density_by_its_logarithm(rng):
    values = rng.standard_t(3, (400, 2))
    scaled = values * [1000.0, 1.0]
    gap = table_density(values).log_prob(values) - table_density(scaled).log_prob(scaled)
    np.testing.assert_allclose(gap, np.log(1000.0), atol=2e-3)  # float32 knots


def test_marginals_come_out_standard_normal(rng):
    values = np.stack([rng.gamma(1.5, size=5000), rng.standard_cauchy(5000)], 1)
    model = table_density(values)
    z = model.transform(values)
    for j in range(2):
        assert stats.kstest(z[:, j], "norm").statistic < 0.03
    np.testing.assert_allclose(model.inverse_transform(z), values, rtol=2e-3, atol=2e-3)


def test_a_row_alone_scores_as_in_a_table(rng):
    values = rng.normal(size=(5000, 2))
    model = table_density(values)
    together = model.log_prob(values)
    alone = np.concatenate([model.log_prob(values[i : i + 1]) for i in (0, 1, 2500, 4999)])
    np.testing.assert_array_equal(together[[0, 1, 2500, 4999]], alone)


def test_knots_on_host_and_device_agree(rng):
    v = rng.gamma(2.0, size=2000)
    knots = quantile_knots(v, np.ones(2000), 16)
    x = rng.uniform(-2, 12, 300)
    z, log_slope = evaluate_knots(x, *knots)
    device = MarginalSpline([knots]).inverse(np.float32(x)[None])
    np.testing.assert_allclose(device[0][0], z, atol=1e-4)
    np.testing.assert_allclose(device[1], log_slope, atol=1e-3)


@pytest.mark.parametrize(
    "column",
    [
        np.r_[np.zeros(400), np.arange(100.0)],
        np.r_[np.full(250, 1.5), np.full(250, 2.5)],
        np.r_[np.random.default_rng(0).normal(size=498), 1e30, -1e30],
        np.arange(5.0),
        np.r_[np.zeros(499), 1.0],
    ],
    ids=["atom", "two values", "1e30", "five rows", "one odd value"],
)
def test_awkward_columns_stay_finite(column):
    model = table_density(column[:, None].astype(float))
    scores = model.log_prob(column[:, None].astype(float))
    assert np.isfinite(scores).all()
    assert np.isfinite(model.sample(__import__("jax").random.key(0), 50)).all()


def test_constant_columns_are_set_aside_and_put_back(rng):
    values = np.stack([rng.normal(size=100), np.full(100, 7.0)], 1)
    model = table_density(values)
    assert (model.sample(__import__("jax").random.key(0), 5)[:, 1] == 7).all()
    assert model.log_prob(np.array([[0.0, 8.0]]))[0] == -np.inf


def test_off_grid_and_beyond_bounds(rng):
    values = np.stack([rng.integers(0, 50, 200), rng.gamma(2.0, size=200)], 1).astype(float)
    model = table_density(values, declared={"c1": {"low": 0.0}})
    with pytest.raises(DataError, match="'c0', row 1"):
        model.log_prob(np.array([[1.0, 1.0], [1.5, 1.0]]))
    assert model.log_prob(np.array([[1.0, -0.5]]))[0] == -np.inf
    bad = values.copy()
    bad[3, 1] = 0.0
    with pytest.raises(DataError, match="'c1', row 3"):
        infer_schema(bad, ("c0", "c1"), declared={"c1": {"low": 0.0}})


def test_sampled_whole_numbers_are_whole(rng):
    values = np.stack([rng.integers(0, 90, 300), np.round(rng.normal(size=300), 2)], 1)
    model = table_density(values.astype(float))
    drawn = model.sample(__import__("jax").random.key(3), 200)
    model.schema.check_cells(drawn)


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        (np.ones((5, 1)), ("a",), "no column varies"),
        (np.ones((1, 2)), ("a", "b"), "1 rows"),
        (np.eye(3), ("a", "a", "b"), "repeat"),
    ],
)
def test_tables_that_are_refused(values, names, message):
    with pytest.raises(DataError, match=message):
        infer_schema(values, names)


def test_frames(rng):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    for native in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        read = from_frame(native)
        np.testing.assert_array_equal(read.values, frame.to_numpy())
        assert read.names == ("a", "b")
    assert from_frame(np.float32([[0.1], [2.25]])).values.tolist() == [[0.1], [2.25]]
    with pytest.raises(DataError, match="'t' holds"):
        from_frame(pl.DataFrame({"t": [[1], [2]]}))
    with pytest.raises(DataError, match="infinity"):
        from_frame(np.array([[np.inf, 1.0]]))
    schema = infer_schema(frame.to_numpy(), ("a", "b"))
    with pytest.raises(SchemaMismatchError, match="another order"):
        schema.check_names(("b", "a"), 2)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "arrow"])
def test_files_come_back(ending, tmp_path, rng):
    table = pa.table({"a": np.arange(1000), "b": rng.normal(size=1000)})
    path = tmp_path / f"t.{ending}"
    with TableWriter(path) as writer:
        for first in range(0, 1000, 300):
            writer.write(table.slice(first, 300))
    assert read_table(path).equals(table)
    assert [p.num_rows for p in stream_table(path, rows=400)]
    assert sum(p.num_rows for p in stream_table(path, rows=400)) == 1000
    with pytest.raises(OutputError, match="exists"):
        TableWriter(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "text",
    [
        b"a,b\n1,1.5\n2,2.5\n",
        b"a;b\n1;1,5\n2;2,5\n",
        b"a;b\n1;1.5\n2;2.5\n",
        b"a\tb\n1\t1.5\n2\t2.5\n",
        b"\xef\xbb\xbfa,b\r\n1,1.5\r\n2,2.5\r\n",
    ],
)
def test_csv_dialects(text, tmp_path):
    (tmp_path / "t.csv").write_bytes(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text))
    for name in ("t.csv", "t.csv.gz"):
        assert read_table(tmp_path / name).to_pydict() == {"a": [1, 2], "b": [1.5, 2.5]}


def test_one_column_of_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a\n1,5\n-2,25\n3,0\n")
    assert read_table(tmp_path / "t.csv").to_pydict() == {"a": [1.5, -2.25, 3.0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n3\n", "line 3"),
        (b"a,a\n1,2\n", "repeat"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_bad_csv(text, message, tmp_path):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv")


def test_an_error_while_writing_leaves_nothing(tmp_path):
    def broken():
        with TableWriter(tmp_path / "t.parquet") as writer:
            writer.write(pa.table({"a": [1]}))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        broken()
    assert not list(tmp_path.iterdir())
    assert pf.tables is not None
