"""Checks of a fitted model: a right one passes, each kind of wrong one is caught."""

import dataclasses
import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import pushforward as pf
from pushforward.core.bases import Transform
from pushforward.judge.mass import mass_of_values
from pushforward.judge.rows import TableRows
from pushforward.judge.validation import validate
from pushforward.transforms import Chain


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1200, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]])
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(rows)
    return estimator, rng.normal(size=(1500, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]])


class Wrong(Transform):
    """The identity with a volume change that it does not have, or an inverse that is none."""

    volume: float = eqx.field(static=True)
    error: float = eqx.field(static=True)
    dim = None
    context_dim = 0
    evidence = pf.Evidence.EXACT
    support = "real"

    def forward(self, z, context=None, *, key=None):
        return z + self.error * jnp.sin(3 * z), jnp.full(z.shape[1:], self.volume)

    def inverse(self, x, context=None, *, key=None):
        return x, jnp.full(x.shape[1:], self.volume)


def _broken(estimator, wrong):
    flow = estimator.model_.density
    bent = pf.Pushforward(Chain([flow.transform, wrong]), flow.density)
    return dataclasses.replace(estimator.model_, density=bent)


def _found(checks):
    return {check.name: check.passed for check in checks}


def test_a_right_model_passes(fitted):
    estimator, fresh = fitted
    found = _found(estimator.validate(fresh))
    assert set(found) == {
        "finite",
        "alone",
        "round_trip",
        "determinant",
        "mass",
        "calibration_0.01",
        "calibration_0.05",
    }
    assert all(found.values()), found


def test_a_wrong_volume_is_caught(fitted):
    """Off by 0.2 nats everywhere: mass e^0.2."""
    estimator, fresh = fitted
    rows = TableRows(fresh, np.ones(len(fresh)))
    checks = validate(_broken(estimator, Wrong(0.2, 0.0)), rows, np.ones(len(fresh)), 99)
    found = _found(checks)
    assert not found["determinant"]
    assert not found["mass"]
    assert found["round_trip"]
    mass = next(check for check in checks if check.name == "mass")
    assert mass.value == pytest.approx(np.exp(0.2), abs=0.05)


def test_the_mass_is_known_within_its_error(fitted):
    """Of a density that is off by a factor; z-scores of 24 seeds have a variance of one."""
    estimator, _ = fitted
    z = []
    for seed in range(24):
        factor = (-0.2, 0.0, 0.3)[seed % 3]
        model = _broken(estimator, Wrong(factor, 0.0))
        mass, error = mass_of_values(model, None, seed)
        z.append((mass - np.exp(factor)) / error)
    # The mean square of 24 normals leaves [0.3, 2.3] seven times in 10,000.
    assert 0.3 < np.mean(np.square(z)) < 2.3, z


def test_a_wrong_inverse_is_caught(fitted):
    """Samples that do not follow the density: the way back is another map."""
    estimator, fresh = fitted
    rows = TableRows(fresh, np.ones(len(fresh)))
    found = _found(validate(_broken(estimator, Wrong(0.0, 0.3)), rows, np.ones(len(fresh)), 99))
    assert not found["round_trip"]
    assert found["determinant"]


def test_p_values_that_come_too_often_are_caught(fitted):
    estimator, fresh = fitted
    rows, rng = TableRows(fresh, np.ones(len(fresh))), np.random.default_rng(0)
    fair, skewed = rng.random(len(fresh)), rng.random(len(fresh)) ** 3
    for p_values, passed in ((fair, True), (skewed, False)):
        found = _found(validate(estimator.model_, rows, p_values, 999))
        assert found["calibration_0.05"] is passed
        assert found["calibration_0.01"] is passed


@pytest.mark.slow
def test_mixed_tables_and_conditional_laws_pass(rng):
    n = 900
    group = rng.choice(["a", "b"], n)
    amount = np.where(rng.random(n) < 0.3, 0.0, rng.gamma(2, 2, n) + 3 * (group == "b"))
    other = np.where(rng.random(n) < 0.1, np.nan, amount + rng.normal(size=n))
    table = pd.DataFrame({"group": group, "amount": amount, "other": other})
    options = {"random_state": 0, "max_epochs": 3}
    mixed = pf.DensityEstimator(**options).fit(table)
    found = _found(mixed.validate(table))
    assert all(passed is not False for passed in found.values()), found
    assert found["round_trip"]
    assert found["determinant"]
    unknown = table.assign(group=np.where(np.arange(n) == 3, "z", group))
    assert not _found(mixed.validate(unknown))["finite"]
    face = pf.ConditionalDensityEstimator(**options).fit(table[["group", "other"]], table["amount"])
    found = _found(face.validate(table[["group", "other"]], table["amount"]))
    assert all(passed is not False for passed in found.values()), found


def test_the_command_says_it_and_exits(fitted, tmp_path, capsys):
    from pushforward.cli.main import main

    estimator, fresh = fitted
    estimator.save(tmp_path / "model")
    names = estimator.schema_.names
    pd.DataFrame(fresh, columns=names).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(tmp_path / "model"), str(tmp_path / "rows.csv"), "--json"])
    document = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert stopped.value.code == 0
    assert document["passed"] is True
    odd = pd.DataFrame(fresh * 3, columns=names)
    odd.to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(tmp_path / "model"), str(tmp_path / "odd.csv"), "--quiet"])
    assert stopped.value.code == 1


def test_bounds_do_not_look_like_lost_mass():
    """The known law stays inside the bounds of the columns."""
    rng = np.random.default_rng(3)
    rows = np.stack([rng.exponential(size=1000), rng.random(1000)], 1)
    schema = {"x0": {"low": 0.0}, "x1": {"low": 0.0, "high": 1.0}}
    options = {"random_state": 0, "max_epochs": 1, "schema": schema}
    estimator = pf.DensityEstimator("gaussian", **options).fit(rows)
    assert _found(estimator.validate(rows))["mass"]


def test_many_tight_columns_pass_or_are_not_decided():
    """Thirty columns far from zero, nearly on a line: float32 holds little of a latent."""
    rng = np.random.default_rng(4)
    common = 1000 + rng.standard_t(2, (400, 1))
    rows = common + 1e-3 * rng.normal(size=(400, 30))
    estimator = pf.DensityEstimator("gaussian", random_state=0).fit(rows)
    found = _found(estimator.validate(rows))
    assert found["round_trip"]
    assert found["alone"]
    assert found["mass"] is not False


def test_nan_is_no_pass(fitted):
    estimator, fresh = fitted
    rows = TableRows(fresh, np.ones(len(fresh)))
    found = _found(validate(_broken(estimator, Wrong(np.nan, 0.0)), rows, np.ones(1500), 99))
    assert not found["determinant"]
    found = _found(validate(_broken(estimator, Wrong(0.0, np.nan)), rows, np.ones(1500), 99))
    assert not found["round_trip"]
