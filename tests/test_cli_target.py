"""The command line on p(y | x): fit --target, predict, score, sample --given, report, validate."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import pushforward as pf
from pushforward.cli.main import main


def _run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A price that follows size and town, with missing sizes, fitted."""
    folder = tmp_path_factory.mktemp("target")
    rng = np.random.default_rng(8)
    town, size = rng.choice(["hill", "shore"], 700), rng.gamma(9, 10, 700)
    price = 2 * size + 80 * (town == "shore") + rng.normal(0, 10, 700)
    table = pd.DataFrame(
        {
            "price": price.round(1),
            "town": town,
            "size": np.where(rng.random(700) < 0.1, np.nan, size),
            "key": [f"k{i}" for i in range(700)],
        }
    )
    table.to_csv(folder / "homes.csv", index=False)
    options = ["--target", "price", "--drop", "key", "--max-epochs", 12, "-q"]
    assert _run("fit", folder / "homes.csv", "-o", folder / "model", *options) == 0
    return folder, table


def test_predict_follows_what_is_given(place):
    folder, table = place
    out = folder / "predicted.csv"
    assert _run("predict", folder / "model", folder / "homes.csv", "-o", out, "-q") == 0
    found = pd.read_csv(out)
    assert list(found) == ["row", "price", "price_q0.05", "price_q0.5", "price_q0.95"]
    assert np.corrcoef(found["price"], table["price"])[0, 1] > 0.7
    assert (found["price_q0.05"] < found["price_q0.95"]).all()
    assert (np.abs(found["price_q0.5"] * 10 - (found["price_q0.5"] * 10).round()) < 1e-6).all()


def test_score_needs_no_other_order_of_columns(place):
    folder, table = place
    table[["town", "key", "price", "size"]].to_csv(folder / "turned.csv", index=False)
    code = _run("score", folder / "model", folder / "turned.csv", "-o", folder / "s.csv", "-q")
    assert code == 0
    found = pd.read_csv(folder / "s.csv")
    assert np.isfinite(found["log_prob"]).all()
    assert found["p_value"].between(0, 1).all()


def test_sample_draws_for_each_row_given(place, capsys):
    folder, table = place
    given, out = folder / "given.csv", folder / "drawn.csv"
    table[["town", "size"]].head(3).to_csv(given, index=False)
    assert _run("sample", folder / "model", "--given", given, "-n", 40, "-o", out, "-q") == 0
    drawn = pd.read_csv(out)
    assert list(drawn) == ["row", "town", "size", "price"]
    assert (drawn["row"].to_numpy() == np.repeat([0, 1, 2], 40)).all()
    assert drawn.groupby("row")["price"].nunique().min() > 20
    assert _run("sample", folder / "model", "-n", 4, "-o", folder / "no.csv") == 2
    assert "needs --given" in capsys.readouterr().err
    assert not (folder / "no.csv").exists()


def test_report_tells_coverage(place):
    folder, _ = place
    page = folder / "report.html"
    assert _run("report", folder / "model", folder / "homes.csv", "-o", page, "-q") == 0
    text = page.read_text()
    assert "Central intervals of 90% hold" in text
    assert "given 2 others" in text


def test_validate_and_inspect(place, capsys):
    folder, _ = place
    assert _run("validate", folder / "model", folder / "homes.csv", "--json", "-q") == 0
    found = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert {check["name"] for check in found["checks"]} >= {"determinant", "mass"}
    assert _run("inspect", folder / "model", "--json", "-q") == 0
    card = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["card"]
    assert card["given"] == ["town", "size"]
    assert set(card["baselines"]) == {"linear", "unconditional"}


def test_refuses_what_makes_no_sense(place, capsys):
    folder, table = place
    assert _run("fit", folder / "homes.csv", "-o", folder / "m", "--target", "cost", "-q") == 2
    assert "no columns ['cost']" in capsys.readouterr().err
    table.drop(columns="town").to_csv(folder / "less.csv", index=False)
    out = folder / "less_scores.csv"
    assert _run("predict", folder / "model", folder / "less.csv", "-o", out, "-q") == 1
    assert "town" in capsys.readouterr().err
    assert not out.exists()


def test_models_saved_from_python(place, capsys):
    """`predict` asks the model, not the kind of table that it was fitted on."""
    folder, table = place
    x = table[["size"]].fillna(0.0)
    face = pf.ConditionalDensityEstimator("gaussian", random_state=0).fit(x, table["price"])
    face.save(folder / "python")
    x.to_csv(folder / "x.csv", index=False)
    assert _run("predict", folder / "python", folder / "x.csv", "-o", folder / "p.csv", "-q") == 0
    found = pd.read_csv(folder / "p.csv")
    np.testing.assert_allclose(found["price"], face.predict(x), rtol=1e-6)
    assert _run("transform", folder / "python", folder / "x.csv", "-o", folder / "z.csv") == 2
    assert "not a law of rows" in capsys.readouterr().err


def test_two_targets_come_in_any_order(tmp_path, rng):
    x = rng.normal(size=200)
    table = pd.DataFrame({"a": x, "b": 40 * x + rng.normal(size=200), "x": x})
    table.to_csv(tmp_path / "t.csv", index=False)
    options = ["--target", "b,a", "--model", "gaussian", "-q"]
    assert _run("fit", tmp_path / "t.csv", "-o", tmp_path / "m", *options) == 0
    assert _run("score", tmp_path / "m", tmp_path / "t.csv", "-o", tmp_path / "s.csv", "-q") == 0
    face = pf.load(tmp_path / "m")
    scores = pd.read_csv(tmp_path / "s.csv")["log_prob"]
    np.testing.assert_allclose(
        scores, face.log_prob(pl.from_pandas(table[["x"]]), pl.from_pandas(table[["b", "a"]]))
    )


def test_impute_and_sample_given_some_columns(tmp_path, rng, capsys):
    kind = rng.choice(["low", "high"], 500)
    table = pd.DataFrame({"kind": kind, "x": np.where(kind == "low", 0.0, 9.0) + rng.random(500)})
    table["n"] = rng.poisson(30, 500)
    table.to_csv(tmp_path / "t.csv", index=False)
    assert _run("fit", tmp_path / "t.csv", "-o", tmp_path / "m", "--model", "gaussian", "-q") == 0
    holes = table[:5].astype(object).assign(comment="none")
    holes.loc[1, "n"] = None
    holes.loc[3, "kind"] = None
    holes.to_csv(tmp_path / "holes.csv", index=False)
    out = tmp_path / "full.csv"
    assert _run("impute", tmp_path / "m", tmp_path / "holes.csv", "-o", out, "-n", 2, "-q") == 0
    full = pd.read_csv(out)
    assert list(full) == ["kind", "x", "n"]
    assert not full.isna().any().any()
    twice = table[:5].loc[np.repeat(range(5), 2)].reset_index(drop=True)
    known = ~full.index.isin([2, 3])
    assert (full["n"][known] == twice["n"][known]).all()
    np.testing.assert_allclose(full["x"], twice["x"])
    assert full["n"].dtype == int
    given = table[["kind"]][:3]
    given.to_csv(tmp_path / "given.csv", index=False)
    out = tmp_path / "drawn.csv"
    given_kind = ["sample", tmp_path / "m", "--given", tmp_path / "given.csv", "-n", 20]
    assert _run(*given_kind, "-o", out, "-q") == 0
    drawn = pd.read_csv(out)
    assert list(drawn) == ["row", "kind", "x", "n"]
    assert (drawn["kind"].to_numpy() == np.repeat(given["kind"].to_numpy(), 20)).all()
    pd.DataFrame({"y": [1.0]}).to_csv(tmp_path / "given.csv", index=False)
    assert _run(*given_kind, "-o", tmp_path / "no.csv", "-q") == 2
    assert "none of the columns" in capsys.readouterr().err
