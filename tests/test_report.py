"""The page: self-contained, small, drawn from findings alone, safe with any column name."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import pushforward as pf
from pushforward.core.errors import OutputError
from pushforward.report import findings, page, write_page
from pushforward.report.compare import MAX_MARGINALS, worst_pairs

NASTY = ["<script>alert(1)</script>", "$\\alpha$", "a" * 80, "naïve & co"]


def fitted(columns, rows=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=rows) for name in columns})
    return pf.DensityEstimator("gaussian", random_state=0).fit(table), table


@pytest.mark.parametrize(
    "columns",
    [["only"], NASTY, pytest.param([f"c{i}" for i in range(120)], marks=pytest.mark.slow)],
)
def test_page_of_any_table(columns):
    est, table = fitted(columns)
    found = json.loads(json.dumps(findings(est, table), allow_nan=False))
    text = page(found)
    assert len(text.encode()) < 2_000_000
    text = text.replace("http://www.w3.org/", "")  # names of XML dialects, not addresses
    for mark in ("<script", "http://", "https://", "src=", "NaN", " nan"):
        assert mark not in text, mark
    parser = HTMLParser()
    parser.feed(text)
    assert text.count("<svg") >= 4  # one column has no pairs, a Gaussian no curve
    assert len([m for m in found["marginals"] if "edges" in m]) <= MAX_MARGINALS
    assert text == page(found).replace("http://www.w3.org/", "")


def test_failed_baselines_are_said():
    est, table = fitted(["a", "b"])
    est.card_["baselines"]["kde"] = None
    found = findings(est, table)
    assert any("failed" in line for line in found["summary"])
    assert "failed or out of time" in page(found)


def test_oddest_rows_come_first():
    est, table = fitted(["a", "b"])
    table.iloc[17] = [40.0, -40.0]
    odd = findings(est, table)["oddest"]
    assert len(odd) == 10
    assert odd[0]["row"] == 17
    assert odd[0]["p_value"] == pytest.approx(1 / (len(est.calibration_) + 1))
    assert [o["log_prob"] for o in odd] == sorted(o["log_prob"] for o in odd)


def test_the_broken_pair_is_found(rng):
    est, _ = fitted(["a", "b", "c"])
    x = rng.normal(size=(4000, 3))
    real = x.copy()
    real[:, 2] = x[:, 0] + 0.1 * x[:, 2]  # only the joint law of a and c differs
    real[:, 2] /= real[:, 2].std()
    first = worst_pairs(real, rng.normal(size=(4000, 3)), est.schema_)[0]
    assert (first["x"], first["y"]) == ("a", "c")


def test_page_is_written_whole_or_not_at_all(tmp_path):
    est, table = fitted(["a", "b"])
    found = findings(est, table)
    write_page(found, tmp_path / "r.html")
    with pytest.raises(OutputError):
        write_page(found, tmp_path / "r.html")
    write_page(found, tmp_path / "r.html", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
