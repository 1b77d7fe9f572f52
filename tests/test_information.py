"""Information measures against closed forms, invariances, and what they refuse."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import digamma
from typer.testing import CliRunner

from pushforward import information
from pushforward.cli.app import app
from pushforward.core.errors import DataError, OptionError, ShapeError
from pushforward.metrics.neighbours import neighbour_entropy, neighbour_total_correlation

COVARIANCE = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]])


def entropy_of(*columns):
    part = COVARIANCE[np.ix_(columns, columns)]
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * part)[1]


def normal(rng, n=4000):
    return rng.multivariate_normal(np.zeros(3), COVARIANCE, n)


def close(found, truth, bias=0.02):
    """Within four standard errors and the bias that an estimator of so many rows may have."""
    assert abs(found.raw - truth) < bias + 4 * found.std_error, (str(found), truth)


def test_neighbours_of_one_column(rng):
    x, k = rng.standard_normal(300), 5
    reach = np.sort(cdist(x[:, None], x[:, None]), 1)[:, k]
    np.testing.assert_allclose(
        neighbour_entropy(x, k), digamma(300) - digamma(k) + np.log(2 * reach), rtol=1e-12
    )


@pytest.mark.parametrize("dim", [2, 3, 14])
def test_neighbours_of_many_columns(dim, rng):
    x, k = rng.standard_normal((dim, 200)), 4
    far = cdist(x.T, x.T, "chebyshev")
    reach = np.sort(far, 1)[:, k]
    closer = [(np.abs(c[:, None] - c) < reach[:, None]).sum(1) - 1 for c in x]
    expected = digamma(k) + (dim - 1) * digamma(200) - digamma(np.array(closer) + 1).sum(0)
    np.testing.assert_allclose(neighbour_total_correlation(x, k), expected, rtol=1e-10)


def test_a_normal_law(rng):
    rows = normal(rng)
    x, y, z = rows.T
    joint, alone = entropy_of(0, 1, 2), 3 * entropy_of(0)
    pairs = [entropy_of(1, 2), entropy_of(0, 2), entropy_of(0, 1)]
    total, dual = alone - joint, sum(pairs) - 2 * joint
    close(information.entropy(rows), joint)
    close(information.total_correlation(rows), total)
    close(information.dual_total_correlation(rows), dual)
    close(information.o_information(rows), total - dual)
    close(information.mutual_information(x, y), 2 * entropy_of(0) - entropy_of(0, 1))
    close(
        information.mutual_information(rows[:, :2], z),
        entropy_of(0, 1) + entropy_of(2) - joint,
    )
    conditional = entropy_of(0, 2) + entropy_of(1, 2) - joint - entropy_of(2)
    close(information.mutual_information(x, y, z), conditional)
    close(information.negentropy(rows), 0.0)


def test_heavy_tails_and_edges(rng):
    t = stats.multivariate_t(np.zeros(2), np.eye(2), 3)
    close(information.entropy(t.rvs(5000, random_state=rng)), t.entropy())
    close(information.total_correlation(t.rvs(5000, random_state=rng)), 0.0424)
    exponential = rng.exponential(size=(5000, 2))
    close(information.entropy(exponential), 2.0)
    close(information.negentropy(exponential), np.log(2 * np.pi * np.e) - 2, 0.04)
    angle = rng.uniform(0, 2 * np.pi, 5000)
    ring = rng.normal(1, 0.1, 5000) * np.stack([np.cos(angle), np.sin(angle)])
    close(information.total_correlation(ring.T), 0.6740, 0.04)
    close(information.mutual_information(*ring), 0.6740, 0.04)


def test_divergences(rng):
    p, q = rng.standard_normal((2, 4000, 2))
    close(information.kl_divergence(p + 0.6, q), 0.36)
    close(information.kl_divergence(p, q), 0.0)
    close(information.kl_divergence(2 * p, q), 2 * (0.5 * 4 - 0.5 - np.log(2)), 0.06)
    close(information.js_divergence(p, q), 0.0)
    close(information.js_divergence(p + 30, q[:1500]), np.log(2), 0.04)
    moved = information.kl_divergence(
        p @ [[2.0, 1.0], [0.0, 3.0]], (q + 0.5) @ [[2.0, 1.0], [0, 3]]
    )
    close(moved, 0.25)


@pytest.mark.parametrize("dim", [2, 5])
def test_independent_columns_share_nothing(dim, rng):
    """Twenty draws: off by more than three of their standard errors at most once."""
    off = []
    for _ in range(20):
        columns = [rng.gamma(0.7, size=600), *rng.standard_t(2, (dim - 1, 600))]
        found = information.total_correlation(np.stack(columns, 1))
        off.append(abs(found.raw) / found.std_error)
        assert found.value >= 0
    assert np.sum(np.array(off) > 3) <= 1, off


def test_ranks_alone_matter(rng):
    """Scaling and increasing functions change nothing; an order of columns or rows, hardly."""
    rows = normal(rng, 2000)
    found = information.total_correlation(rows)
    warped = np.stack([1e6 * rows[:, 0] + 3, np.exp(5 * rows[:, 1]), rows[:, 2] ** 3], 1)
    assert information.total_correlation(warped).raw == found.raw
    for other in (rows[:, [2, 0, 1]], rows[::-1]):
        again = information.total_correlation(other).raw
        assert abs(again - found.raw) < 3 * found.std_error


def test_units_and_keys(rng):
    rows = normal(rng, 500)
    nats, bits = (information.total_correlation(rows, units=u) for u in ("nats", "bits"))
    assert bits.value == pytest.approx(nats.value / np.log(2))
    assert bits.std_error == pytest.approx(nats.std_error / np.log(2))
    assert information.total_correlation(rows) == nats
    one, two = (information.total_correlation(rows, key=jax.random.key(k)) for k in (1, 2))
    assert abs(one.raw - two.raw) < 2 * nats.std_error


def test_never_silently_negative(rng):
    found = [information.total_correlation(rng.standard_normal((200, 2))) for _ in range(10)]
    below = [each for each in found if each.raw < 0]
    assert below
    assert all(each.value == 0 and "below zero" in str(each) for each in below)
    assert all("by chance" in str(each) or each.raw < -3 * each.std_error for each in below)
    x = rng.standard_normal((500, 2))
    assert "more than chance" in str(information.js_divergence(x, x))
    assert information.js_divergence(x, x + 50).value <= np.log(2)
    dirty = np.r_[np.full(200, 0.3), np.full(100, 0.1 + 0.2), rng.standard_normal(200).round(1)]
    assert np.isfinite(information.entropy(dirty).raw)
    assert information.entropy(rng.uniform(0, 0.1, (500, 1))).value < -2


def test_rounded_values(rng):
    """Values to the nearest tenth have the entropy of their cells: that of the smooth law."""
    rows = normal(rng)
    close(information.entropy(rows.round(1)), entropy_of(0, 1, 2), 0.04)
    close(
        information.total_correlation(rows.round(1)), 3 * entropy_of(0) - entropy_of(0, 1, 2), 0.04
    )
    codes = rng.integers(0, 3, 2000)
    close(information.mutual_information(codes, rng.integers(0, 3, 2000)), 0.0)


@pytest.mark.slow
def test_the_standard_error_is_that_of_draws(rng):
    """Over draws of a normal law, whose estimate has no bias to speak of."""
    found = [information.total_correlation(normal(rng, 1000)) for _ in range(60)]
    scatter = np.std([each.raw for each in found])
    assert 0.7 < np.mean([each.std_error for each in found]) / scatter < 1.5


def test_what_is_refused(rng):
    rows = normal(rng, 100)
    with pytest.raises(DataError, match="at least 50"):
        information.entropy(rows[:20])
    with pytest.raises(DataError, match=r"x\[3, 1\]"):
        information.entropy(np.where(np.arange(300).reshape(100, 3) == 10, np.nan, rows))
    with pytest.raises(DataError, match="one value"):
        information.total_correlation(np.ones((100, 2)))
    with pytest.raises(DataError, match="linear combinations"):
        information.negentropy(np.repeat(rows[:, :1], 2, axis=1))
    with pytest.raises(OptionError, match="units"):
        information.entropy(rows, units="hartleys")
    with pytest.raises(ShapeError, match="equally many"):
        information.mutual_information(rows[:, 0], rows[:60, 1])
    with pytest.raises(ShapeError, match="columns"):
        information.kl_divergence(rows, rows[:, :2])
    kept = rows.copy()
    information.total_correlation(rows)
    np.testing.assert_array_equal(rows, kept)


def _run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_command(tmp_path, rng):
    table = pd.DataFrame(normal(rng, 600), columns=["a", "b", "c"]).assign(word="x")
    table.loc[:9, "c"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    (table[["a", "b", "c"]] + 1).to_csv(tmp_path / "u.csv", index=False)
    said = _run("info", tmp_path / "t.csv", "--json", "-q")
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout.splitlines()[-1])
    assert (found["columns"], found["rows"], found["left_out"]) == (["a", "b", "c"], 590, 10)
    close(information.InformationResult(**{k: found[k] for k in FIELDS}), 0.4, 0.15)
    for more in (
        ["--measure", "mutual_information", "--x", "a", "--y", "b", "--given", "c"],
        ["--measure", "kl_divergence", "--other", tmp_path / "u.csv"],
        ["--measure", "entropy", "--columns", "a,b", "--units", "bits"],
    ):
        said = _run("info", tmp_path / "t.csv", "--json", "-q", *more)
        assert said.exit_code == 0, said.output
        assert np.isfinite(json.loads(said.stdout.splitlines()[-1])["value"])
    for wrong in (
        ["--measure", "kl_divergence"],
        ["--x", "a"],
        ["--columns", "word"],
        ["--measure", "mutual_information", "--x", "a", "--y", "a"],
        ["--measure", "luck"],
    ):
        assert _run("info", tmp_path / "t.csv", *wrong).exit_code == 2


FIELDS = ("name", "value", "std_error", "raw", "in_sample", "held_out", "layers", "units")
