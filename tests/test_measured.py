"""Values with errors of known sizes: the law of the true ones, by closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import pushforward as pf
from pushforward.cli.main import main
from pushforward.core.errors import DataError, OptionError, SchemaMismatchError, ShapeError
from pushforward.densities import HalfNormal, Measured, full_gaussian
from pushforward.estimators.checks import without_errors
from pushforward.tables import from_frame
from pushforward.tables.measured import measured_table

FREE = ((-np.inf, np.inf),)


def two_heaps(rng, n):
    """True values in two narrow heaps that errors of 0.3 to 1.2 run together."""
    true = rng.choice([-1.5, 1.5], n) + 0.2 * rng.normal(size=n)
    error = rng.uniform(0.3, 1.2, n)
    return true, pd.DataFrame({"x": true + error * rng.normal(size=n), "x_err": error})


def test_a_blurred_gaussian_is_a_gaussian(rng):
    """N(μ, Σ + diag(s²)), within the lattice's error; without errors the law itself."""
    with jax.enable_x64(True):
        a = rng.normal(size=(3, 3))
        cov = a @ a.T + np.eye(3)
        mean = rng.normal(size=3)
        law = full_gaussian(mean, np.linalg.cholesky(cov))
        x = mean + rng.uniform(-1, 1, (20, 3)) @ np.linalg.cholesky(cov).T  # within the bulk
        s = rng.uniform(0, 1, (20, 2))
        blurred = Measured(law, (0, 2), FREE * 2, 512)
        found = blurred.log_prob(jnp.asarray(x), jnp.asarray(s))
        truth = [
            stats.multivariate_normal(mean, cov + np.diag([e[0] ** 2, 0, e[1] ** 2])).logpdf(row)
            for row, e in zip(x, s, strict=True)
        ]
        np.testing.assert_allclose(found, truth, atol=0.05)
        still = blurred.log_prob(jnp.asarray(x), jnp.zeros((20, 2)))
        np.testing.assert_allclose(still, law.log_prob(jnp.asarray(x)), atol=1e-9)


def test_no_true_value_lies_beyond_an_end(rng):
    """A half-normal of positive values, measured: slopes stay finite at the end."""
    law = HalfNormal(1)
    blurred = Measured(law, (0,), ((1e-6, np.inf),), 256)
    x = jnp.asarray([[0.3], [-0.2], [1.0]])
    grid = np.linspace(0, 12, 200_001)
    s = jnp.full((3, 1), 0.5)
    half = stats.halfnorm.pdf(grid)
    truth = [
        np.log(np.trapezoid(half * stats.norm.pdf(float(v), grid, 0.5), grid)) for v in x[:, 0]
    ]
    np.testing.assert_allclose(blurred.log_prob(x, s), truth, atol=0.02)
    slope = jax.grad(lambda v: blurred.log_prob(v, s).sum())(x)
    assert np.isfinite(np.asarray(slope)).all()
    gradient = eqx.filter_grad(lambda m: m.log_prob(x, s).sum())(blurred)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(gradient))


def test_a_measured_table_in_its_own_units(rng):
    """A Gaussian law given the other column: N(μ_g, σ² + s²) per unit, samples likewise."""
    table = pd.DataFrame({"x": 50 + 9 * rng.normal(size=900), "g": rng.choice(["a", "b"], 900)})
    plain = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    law = measured_table(plain.model_, (0,))
    rows = np.stack([rng.uniform(25, 75, 40), np.zeros(40)], 1)
    errors = rng.uniform(0, 15, (40, 1))
    drawn = plain.sample(80_000, random_state=0)
    true = drawn["x"][drawn["g"] == "a"]
    truth = stats.norm.logpdf(rows[:, 0], true.mean(), np.hypot(true.std(), errors[:, 0]))
    truth += np.log(len(true) / len(drawn))
    np.testing.assert_allclose(law.log_prob(rows, errors), truth, atol=0.12)
    np.testing.assert_array_equal(law.log_prob(rows), plain.model_.log_prob(rows))
    spread = drawn["x"].std()
    drawn = law.sample(jax.random.key(0), 4000, np.full((4000, 1), 12.0))
    assert drawn[:, 0].std() == pytest.approx(np.hypot(spread, 12), rel=0.06)
    with pytest.raises(ShapeError, match="errors of shape"):
        law.log_prob(rows, errors[:3])


def test_a_single_value_has_no_error(rng):
    """The mass of an atom, of a column bounded where its values begin, is what it is for any s."""
    table = pd.DataFrame({"c": np.where(rng.random(400) < 0.4, 0.0, rng.gamma(3, 2, 400))})
    plain = pf.DensityEstimator("gaussian", schema={"c": {"low": 0.0}}, random_state=0).fit(table)
    law = measured_table(plain.model_, (0,))
    atoms, errors = np.zeros((4, 1)), np.array([[0.0], [0.5], [3.0], [30.0]])
    np.testing.assert_allclose(law.log_prob(atoms, errors), law.log_prob(atoms), atol=1e-6)
    grid = np.linspace(-40, 80, 24_001)[:, None]
    mass = np.exp(law.log_prob(grid + 1e-4, np.full(grid.shape, 3.0))).sum() * 0.005
    assert mass + np.exp(law.log_prob(atoms[:1])[0]) == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_errors_are_taken_out(rng, tmp_path):
    """The heaps stand apart in what is sampled; scores are those of the blurred truth."""
    true, table = two_heaps(rng, 3000)
    assert stats.gaussian_kde(table["x"])(0.0)[0] > 0.05
    estimator = pf.DensityEstimator(
        "nsf", errors={"x": "x_err"}, random_state=0, max_epochs=25
    ).fit(table)
    assert list(estimator.feature_names_in_) == ["x", "x_err"]
    drawn = estimator.sample(4000, random_state=1)
    assert list(drawn.columns) == ["x"]
    # Of the variance that errors add (0.63 to 2.29) most is gone.
    assert abs(drawn["x"].var() - true.var()) < 0.5 * (table["x"].var() - true.var())
    _, fresh = two_heaps(rng, 2000)
    wide = np.hypot(0.2, fresh["x_err"])
    truth = np.logaddexp(
        *(stats.norm.logpdf(fresh["x"], centre, wide) for centre in (-1.5, 1.5))
    ) - np.log(2)
    gap = truth.mean() - estimator.score(fresh)
    assert -0.03 < gap < 0.15, gap
    assert estimator.card_["evidence"] == "numerical"
    assert estimator.card_["holdout_nats"] == pytest.approx(truth.mean(), abs=0.3)
    estimator.save(tmp_path / "m")
    again = pf.load(tmp_path / "m").score_samples(fresh)
    np.testing.assert_array_equal(again, estimator.score_samples(fresh))
    assert all(check.passed is not False for check in estimator.validate(fresh))


@pytest.mark.slow
def test_errors_by_the_command_line(rng, tmp_path):
    _, table = two_heaps(rng, 300)
    table.assign(town=rng.choice(["n", "s"], 300)).to_csv(tmp_path / "rows.csv", index=False)

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code

    rows, model = tmp_path / "rows.csv", tmp_path / "m"
    few = ("--max-epochs", 2, "-q", "--model", "nsf")
    assert run("fit", rows, "-o", model, "--error-column", "x=x_err", *few) == 0
    assert run("score", model, rows, "-o", tmp_path / "s.csv", "-q") == 0
    scores = pd.read_csv(tmp_path / "s.csv")["log_prob"].to_numpy()
    np.testing.assert_allclose(
        scores, pf.load(model).score_samples(pd.read_csv(rows)), rtol=0, atol=1e-6
    )
    assert run("sample", model, "-n", 9, "-o", tmp_path / "d.csv", "-q") == 0
    assert list(pd.read_csv(tmp_path / "d.csv").columns) == ["x", "town"]
    assert run("report", model, rows, "-o", tmp_path / "r.html", "-q") == 0
    assert run("validate", model, rows, "-q") == 0
    assert run("fit", rows, "-o", tmp_path / "n", "--error-column", "x", "-q") == 2


def test_what_is_no_error(rng):
    _, table = two_heaps(rng, 60)
    fit = lambda t, **more: pf.DensityEstimator(**{"errors": {"x": "x_err"}, **more}).fit(t)  # noqa: E731
    with pytest.raises(DataError, match="'x_err', row 4"):
        fit(table.assign(x_err=table["x_err"].where(table.index != 4, -1.0)))
    lacking = table.assign(x=table["x"].where(table.index > 5))
    lacking["x_err"] = lacking["x_err"].where(table.index > 3)
    assert without_errors(from_frame(lacking), {"x": "x_err"})[1][:4].tolist() == [[0.0]] * 4
    with pytest.raises(SchemaMismatchError, match="no columns of errors"):
        fit(table[["x"]])
    with pytest.raises(SchemaMismatchError, match="column names"):
        fit(table.to_numpy())
    with pytest.raises(OptionError, match="errors of"):
        fit(table, errors={"z": "x_err"})
    with pytest.raises(OptionError, match="columns of numbers"):
        fit(table.assign(x=rng.choice(["a", "b"], 60)))
    with pytest.raises(OptionError, match="marginalize"):
        fit(table, missing="marginalize")
    with pytest.raises(OptionError, match="Gaussian of a table with errors"):
        fit(table, model="gaussian")
