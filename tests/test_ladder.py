"""Comparing models of one table: honest order, honest failures, one split."""

import json

import numpy as np
import pandas as pd
import pytest

from pushforward.cli.main import main
from pushforward.judge.ladder import Rung, compare, verdict
from pushforward.judge.rows import TableRows
from pushforward.judge.settings import Settings
from pushforward.metrics import c2st
from pushforward.tables import infer_schema


@pytest.fixture(scope="module")
def rungs():
    """Two far clusters: a mixture explains them, a Gaussian does not."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 2)) + 8 * rng.integers(0, 2, (900, 1))
    schema = infer_schema(rows, ("a", "b"))
    settings = Settings(max_epochs=3)
    return compare(
        TableRows(rows, np.ones(900)), schema, settings, ("gaussian", "torus_nsf", "maf")
    )


def test_the_mixture_wins_where_it_should(rungs):
    assert rungs[0].name == "gmm"
    assert verdict(rungs).startswith("gmm explains")
    names = [rung.name for rung in rungs]
    assert sorted(names) == ["gaussian", "gmm", "kde", "maf", "torus_nsf"]
    found = {rung.name: rung for rung in rungs}
    assert found["gmm"].nats > found["gaussian"].nats + 0.5
    assert found["gaussian"].c2st > 0.7
    assert found["gaussian"].pit < 0.01


def test_a_model_that_cannot_be_fitted_says_why(rungs):
    """A flow of angles is no model of a table: last in the list, with its reason."""
    assert rungs[-1].name == "torus_nsf"
    assert rungs[-1].nats is None
    assert rungs[-1].said


def test_verdict_names_those_as_good():
    best, near, far = Rung("a", -1.0, 0.1, ""), Rung("b", -1.2, 0.1, ""), Rung("c", -9.0, 0.1, "")
    assert verdict([best, near, far]).endswith("within two standard errors of it: b.")
    assert "more than two standard errors" in verdict([best, far])


def test_classifier_tells_what_differs_and_only_that(rng):
    same = c2st(rng.normal(size=(800, 3)), rng.normal(size=(800, 3)))
    assert abs(same.value - 0.5) < 4 * same.std_error
    assert same.p_value > 1e-4
    moved = c2st(rng.normal(size=(800, 3)), rng.normal(size=(800, 3)) + [1.0, 0, 0])
    exact = 0.7602  # P(N(1, 1) > N(0, 1)) = Φ(1/√2), which no classifier can pass
    assert 0.65 < moved.value < exact + 4 * moved.std_error
    assert moved.p_value < 1e-6


def test_the_command_prints_the_verdict(tmp_path, capsys, rng):
    pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"]).to_csv(
        tmp_path / "rows.csv", index=False
    )
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(tmp_path / "rows.csv"), "--models", "gaussian", "--json", "-q"])
    assert stopped.value.code == 0
    document = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert {rung["name"] for rung in document["models"]} == {"gaussian", "gmm", "kde"}
    assert document["verdict"]
