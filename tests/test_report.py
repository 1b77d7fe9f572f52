"""The page: self-contained, small, drawn from findings alone, safe with any column name."""

import html
import json
import re
import shutil
import subprocess
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


def test_reasons_name_the_cell(rng):
    x = rng.normal(size=(500, 3))
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    table["b"] = table["a"] + 0.1 * table["b"]
    table["sum"] = table["a"] + table["c"]
    table["town"] = np.where(table["a"] > 0, "north", "south")
    est = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    table.loc[3, "b"] = table["a"][3] + 2.0  # twenty sd off the line, an ordinary b
    table.loc[9, "sum"] += 1.0  # impossible: no other value of one cell helps but sum's own
    odd = {row["row"]: row["reasons"] for row in findings(est, table)["oddest"]}
    assert odd[3][0]["column"] in ("a", "b")
    assert odd[3][0]["nats"] > 50
    off = abs(
        odd[3][0]["plausible"] - (table["a"][3] if odd[3][0]["column"] == "b" else table["b"][3])
    )
    assert off < 0.5
    assert 9 in odd
    assert all(reason["column"] != "sum" for reasons in odd.values() for reason in reasons)


def test_tests_and_missing_cells_are_reported(rng):
    n = 1500
    table = pd.DataFrame({"c": rng.choice(["u", "v"], n), "b": rng.exponential(size=n)})
    table["a"] = rng.normal(size=n) + 2 * (table["c"] == "u")  # Gaussian given c, as the model says
    lost = rng.random(n) < 0.2
    table.loc[lost, "b"] = np.nan
    est = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    found = findings(est, table)
    p = {marginal["name"]: marginal["p_value"] for marginal in found["marginals"]}
    assert p["a"] > 1e-3
    assert p["b"] < 1e-6  # an exponential is no Gaussian
    assert p["c"] > 1e-3
    assert found["two_sample"]["value"] > 0.6
    patterns = {tuple(line["columns"]): line for line in found["missing"]}
    assert patterns[("b",)]["real"] == pytest.approx(lost.mean())
    assert abs(patterns[("b",)]["sampled"] - lost.mean()) < 0.06
    text = page(found)
    assert "Missing cells" in text
    assert "A classifier can tell samples" in text


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """<script>addEventListener("load", () => {
  const boxes = [...document.querySelectorAll("svg")].map(s => s.getBoundingClientRect());
  const small = [...document.querySelectorAll("p, li, td, th")]
    .filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).length;
  document.title = JSON.stringify({
    overflow: document.documentElement.scrollWidth - innerWidth, small: small,
    pictures: boxes.length, width: innerWidth,
    drawn: boxes.filter(b => b.width > 150 && b.height > 60).length });
})</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("width", [1280, 400])
def test_page_in_a_browser(width, tmp_path, rng):
    """Every picture is drawn, nothing sticks out, texts are readable, the console is silent."""
    table = pd.DataFrame(rng.normal(size=(300, 9)), columns=[*NASTY, "e", "f", "g", "h", "i"])
    table["kind"] = rng.choice(["a very long name of a category", "b"], 300)
    table.loc[:40, "e"] = np.nan
    est = pf.DensityEstimator("gaussian", random_state=0).fit(table)
    file = tmp_path / "page.html"
    file.write_text(page(findings(est, table)).replace("</body>", MEASURE))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    options += [f"--user-data-dir={tmp_path}/profile", f"--window-size={width},900", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(html.unescape(re.search("<title>(.*?)</title>", done.stdout)[1]))
    assert "CONSOLE" not in done.stderr
    assert found["pictures"] == found["drawn"] >= 5
    assert found["overflow"] <= 0
    assert found["small"] == 0


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
