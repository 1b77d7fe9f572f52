"""The command line: every verb, its JSON, its exit codes, and what people really feed it."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import pushforward as pf
from pushforward.cli.main import main

FAST = ["--model", "gaussian", "--quiet"]


def run(*arguments):
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return end.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table, and a model fitted to it by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "a": rng.normal(size=400),
            "n": rng.integers(0, 50, 400),
            "w": rng.uniform(0.5, 2.0, 400),
        }
    )
    pq.write_table(table, folder / "t.parquet")
    assert run("fit", folder / "t.parquet", "-o", folder / "m", "--drop", "w", *FAST) == 0
    return folder


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def test_fit_json(folder, tmp_path, capfd):
    code = run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST, "--weights", "w", "--json")
    assert code == 0
    out, _ = capfd.readouterr()
    card = last_json(out)
    expected = [
        "rows",
        "columns",
        "model",
        "evidence",
        "n_parameters",
        "train_nats",
        "validation_nats",
        "holdout_nats",
        "holdout_se",
        "baselines",
        "seconds",
        "epochs",
        "stopped_by",
    ]
    assert set(expected) <= set(card)
    assert set(card["baselines"]) == {"gaussian", "gmm", "kde"}
    assert card["columns"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_same_seed_same_model(folder, tmp_path):
    for name in ("a", "b"):
        run("fit", folder / "t.parquet", "-o", tmp_path / name, *FAST, "--seed", "7")
    one, two = ((tmp_path / name / "params.safetensors").read_bytes() for name in ("a", "b"))
    assert one == two


def test_score(folder, tmp_path, capfd):
    code = run("score", folder / "m", folder / "x.parquet", "-o", tmp_path / "s.parquet")
    assert code == 1  # no such table
    pq.write_table(pq.read_table(folder / "t.parquet").drop(["w"]), folder / "x.parquet")
    capfd.readouterr()
    assert (
        run("score", folder / "m", folder / "x.parquet", "-o", tmp_path / "s.parquet", "--json")
        == 0
    )
    found = last_json(capfd.readouterr()[0])
    scores = pq.read_table(tmp_path / "s.parquet").to_pydict()
    assert list(scores) == ["row", "log_prob", "p_value"]
    assert scores["row"] == list(range(400))
    assert found["rows"] == 400
    assert found["n_nonfinite"] == 0
    assert found["mean_log_prob"] == pytest.approx(np.mean(scores["log_prob"]))
    assert found["se"] == pytest.approx(np.std(scores["log_prob"], ddof=1) / 20, rel=1e-6)
    est = pf.load(folder / "m")
    np.testing.assert_array_equal(
        scores["log_prob"], est.score_samples(pq.read_table(folder / "x.parquet"))
    )


def test_standard_input_and_output(folder, capfd, monkeypatch):
    target = io.BytesIO()
    pa_csv.write_csv(pq.read_table(folder / "t.parquet").drop(["w"]), target)
    target.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(target))
    assert run("score", folder / "m", "-", "-o", "-", "--json") == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert len(lines) == 401
    assert last_json(err)["rows"] == 400


def test_sample_and_there_and_back(folder, tmp_path):
    run("sample", folder / "m", "-n", "30", "-o", tmp_path / "s.csv", "--seed", "1", "--quiet")
    run("sample", folder / "m", "-n", "30", "-o", tmp_path / "t.csv", "--seed", "1", "--quiet")
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    drawn = pa_csv.read_csv(tmp_path / "s.csv")
    assert drawn.column_names == ["a", "n"]
    assert pa.types.is_integer(drawn.schema.field("n").type)
    assert run("transform", folder / "m", tmp_path / "s.csv", "-o", tmp_path / "z.arrow") == 0
    assert (
        run("inverse-transform", folder / "m", tmp_path / "z.arrow", "-o", tmp_path / "b.csv") == 0
    )
    back = pa_csv.read_csv(tmp_path / "b.csv")
    np.testing.assert_allclose(back["a"], drawn["a"], atol=1e-4)
    assert back["n"].equals(drawn["n"])


def test_inspect_models_report(folder, tmp_path, capfd):
    assert run("inspect", folder / "m", "--json") == 0
    assert last_json(capfd.readouterr()[0])["card"]["rows"] == 400
    assert run("models", "--json") == 0
    listed = last_json(capfd.readouterr()[0])["models"]
    assert {m["name"] for m in listed} == set(pf.models.names())
    assert all(m["evidence"] and m["source"] and m["year"] for m in listed)
    page = tmp_path / "r.html"
    assert run("report", folder / "m", folder / "t.parquet", "-o", page, "--json") == 0
    assert last_json(capfd.readouterr()[0])["summary"]
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert page.stat().st_size < 2_000_000


def test_config_stands_between_command_line_and_default(folder, tmp_path, capfd):
    (tmp_path / "c.toml").write_text('seed = 5\n[fit]\nmodel = "gaussian"\nvalidation = 0.2\n')
    common = ["fit", folder / "t.parquet", "-o", tmp_path / "m", "--overwrite", "--json", "--quiet"]
    assert run(*common, "--config", tmp_path / "c.toml") == 0
    card = last_json(capfd.readouterr()[0])
    assert (card["seed"], card["model"], card["splits"]["validation"]) == (5, "gaussian", 80)
    assert run(*common, "--config", tmp_path / "c.toml", "--seed", "6") == 0
    assert last_json(capfd.readouterr()[0])["seed"] == 6
    (tmp_path / "bad.toml").write_text("[fit]\nnonsense = 1\n")
    assert run(*common, "--config", tmp_path / "bad.toml") == 2


def bad_tables(tmp_path):
    good = "a,b\n" + "\n".join(f"{i},{i * i % 7}" for i in range(60)) + "\n"
    texts = {
        "empty": "",
        "header": "a,b\n",
        "one_row": "a,b\n1,2\n",
        "duplicate_names": "a,a\n1,2\n2,3\n",
        "ragged": good + "1\n",
        "constant": "a,b\n" + "1,2\n" * 30,
        "inf": good + "inf,1\n",
        "text": good + "x,1\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text)
        yield name, tmp_path / f"{name}.csv"
    yield "no file", tmp_path / "nothing.csv"
    (tmp_path / "folder.csv").mkdir()
    yield "directory", tmp_path / "folder.csv"
    yield "format", tmp_path / "table.xls"


def test_bad_tables_are_refused(tmp_path, capfd):
    for name, path in bad_tables(tmp_path):
        assert run("fit", path, "-o", tmp_path / "m", *FAST) == 1, name
        out, err = capfd.readouterr()
        assert "Traceback" not in err, name
        assert "expected:" in err, (name, err)
        assert not out
        assert not (tmp_path / "m").exists()
    assert not list(tmp_path.glob("m.*"))


def test_missing_cells_are_modelled_or_refused(tmp_path, capfd):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i * 37 % 101},{'xy'[i % 2]}\n,x\n" for i in range(60)))
    assert run("fit", path, "-o", tmp_path / "m", "--missing", "reject", *FAST) == 1
    assert "column 'a', row 1: NaN, a missing value" in capfd.readouterr()[1]
    assert run("fit", path, "-o", tmp_path / "m", *FAST) == 0
    assert run("score", tmp_path / "m", path, "-o", tmp_path / "s.csv") == 0
    assert run("sample", tmp_path / "m", "-n", "50", "-o", tmp_path / "d.csv") == 0
    drawn = pa_csv.read_csv(tmp_path / "d.csv")
    assert set(drawn.column("b").to_pylist()) <= {"x", "y"}
    assert drawn.column("a").null_count > 5  # half of the cells are missing
    assert run("report", tmp_path / "m", path, "-o", tmp_path / "r.html") == 0


def test_tables_that_are_done_properly(tmp_path, rng):
    tables = {
        "one_column": rng.normal(size=(300, 1)),
        "wide": rng.normal(size=(60, 120)),
        "five_rows": rng.normal(size=(5, 2)),
        "duplicated": np.repeat(rng.normal(size=(10, 2)), 30, 0),
        "huge": np.r_[rng.normal(size=(300, 2)), [[1e30, 0.0], [-1e30, 1.0]]],
    }
    for name, values in tables.items():
        table = pa.table({f"c{i}": values[:, i] for i in range(values.shape[1])})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        assert run("fit", tmp_path / f"{name}.parquet", "-o", tmp_path / name, *FAST) == 0, name
        scored = [
            "score",
            tmp_path / name,
            tmp_path / f"{name}.parquet",
            "-o",
            tmp_path / f"{name}.csv",
        ]
        assert run(*scored) == 0, name
        scores = pa_csv.read_csv(tmp_path / f"{name}.csv")["log_prob"].to_numpy()
        assert np.isfinite(scores).all(), name
        drawn = pf.load(tmp_path / name).sample(20, random_state=0)
        assert np.isfinite(np.asarray(drawn)).all(), name


def test_wrong_columns_and_outputs(folder, tmp_path, capfd):
    table = pq.read_table(folder / "t.parquet")
    pq.write_table(table.select(["n", "a"]), tmp_path / "order.parquet")
    pq.write_table(table.select(["a"]), tmp_path / "few.parquet")
    pq.write_table(table.select(["a", "n"]), tmp_path / "good.parquet")
    for name in ("order", "few"):
        assert (
            run("score", folder / "m", tmp_path / f"{name}.parquet", "-o", tmp_path / "s.csv") == 1
        )
        assert not (tmp_path / "s.csv").exists()
    (tmp_path / "s.csv").write_text("precious")
    assert run("score", folder / "m", tmp_path / "good.parquet", "-o", tmp_path / "s.csv") == 1
    assert (tmp_path / "s.csv").read_text() == "precious"
    assert (
        run("score", folder / "m", tmp_path / "good.parquet", "-o", tmp_path / "no" / "s.csv") == 1
    )
    assert run("fit", tmp_path / "good.parquet", "-o", tmp_path / "no" / "m", *FAST) == 1
    assert run("fit", tmp_path / "good.parquet", "-o", folder / "m", *FAST) == 1
    assert "--overwrite" in capfd.readouterr()[1]


def test_usage(folder, tmp_path):
    assert run("fit") == 2
    assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", "--columns", "zz") == 2
    assert run("nonsense") == 2
    assert run("sample", folder / "m", "-n", "0", "-o", "-") == 2


@pytest.mark.parametrize("file", ["model.json", "params.safetensors"])
def test_damaged_model(folder, tmp_path, file, capfd):
    shutil.copytree(folder / "m", tmp_path / "m")
    data = bytearray((tmp_path / "m" / file).read_bytes())
    data[len(data) // 2] ^= 4
    (tmp_path / "m" / file).write_bytes(data)
    assert run("sample", tmp_path / "m", "-n", "3", "-o", tmp_path / "s.csv") == 3
    assert run("inspect", tmp_path / "m") == 3
    assert "Traceback" not in capfd.readouterr()[1]
    assert not (tmp_path / "s.csv").exists()
    assert run("inspect", tmp_path / "nothing") == 3


def test_full_disk(folder, tmp_path):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        assert run("sample", folder / "m", "-n", "20000", "-o", small / "s.csv") == 1
        assert run("fit", folder / "t.parquet", "-o", small / "m", *FAST) == 1
        assert not [p for p in small.iterdir() if not p.name.endswith(".checkpoint")]
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_fit_leaves_no_half_model(sign, tmp_path, rng):
    """Ctrl-C ends with 130; kill −9 leaves no model; --resume goes on and finishes."""
    rows = rng.normal(size=(1000, 2))  # enough not to be cross-fitted
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", header="a,b", comments="")
    command = [
        sys.executable,
        "-m",
        "pushforward",
        *("fit", str(tmp_path / "t.csv"), "-o", str(tmp_path / "m"), "--model", "maf", "--quiet"),
    ]
    child = subprocess.Popen([*command, "--max-epochs", "1000000"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "m.checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    child.send_signal(sign)
    code = child.wait(60)
    child.stderr.close()
    assert code == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    assert not (tmp_path / "m").exists()
    done = subprocess.run([*command, "--max-epochs", "3", "--resume"], check=False)
    assert done.returncode == 0
    assert pf.load(tmp_path / "m").card_["epochs"] == 3
    assert {p.name for p in tmp_path.iterdir()} == {"m", "t.csv"}


def test_a_folder_named_like_a_checkpoint_is_kept(folder, tmp_path):
    (tmp_path / "m.checkpoint").mkdir()
    (tmp_path / "m.checkpoint" / "notes.txt").write_text("precious")
    assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST) == 0
    assert (tmp_path / "m.checkpoint" / "notes.txt").read_text() == "precious"


def test_a_config_entry_that_no_command_knows(folder, tmp_path):
    (tmp_path / "c.toml").write_text("modle = 'gaussian'")
    config = ["--config", tmp_path / "c.toml"]
    assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST, *config) == 2
    (tmp_path / "c.toml").write_text("fit = 3")
    assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST, *config) == 2
    (tmp_path / "c.toml").write_text("seed = 3\nn = 7\n[fit]\nquiet = true")
    assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST, *config) == 0


def test_odd_schema_files_are_refused(folder, tmp_path):
    odd = ["a = 3", "[a]\nresolution = 'x'", "[nobody]\nlow = 0", "[a]\nkind = 7", "[[a]]\nlow = 1"]
    for text in odd:
        (tmp_path / "s.toml").write_text(text)
        schema = ["--schema", tmp_path / "s.toml"]
        assert run("fit", folder / "t.parquet", "-o", tmp_path / "m", *FAST, *schema) == 1, text


def test_names_with_commas_can_be_chosen(tmp_path, rng):
    table = pa.table({"a,b": rng.normal(size=50), "c": rng.normal(size=50)})
    pq.write_table(table, tmp_path / "t.parquet")
    chosen = ["--columns", '"a,b"', "-o", tmp_path / "m"]
    assert run("fit", tmp_path / "t.parquet", *chosen, *FAST) == 0
    assert pf.load(tmp_path / "m").schema_.names == ("a,b",)


def test_help_shows_brackets(capfd):
    assert run("fit", "--help") == 0
    assert "[column]" in capfd.readouterr()[0]


def test_the_table_that_is_read_is_kept(folder, tmp_path):
    table = shutil.copy(folder / "t.parquet", tmp_path / "t.parquet")
    before = (tmp_path / "t.parquet").read_bytes()
    for verb in ("score", "transform"):
        assert run(verb, folder / "m", table, "-o", table, "--overwrite") == 2
    assert (tmp_path / "t.parquet").read_bytes() == before


def test_columns_dropped_at_fit_are_ignored_later(folder, tmp_path):
    assert run("score", folder / "m", folder / "t.parquet", "-o", tmp_path / "s.csv") == 0
    alone = pq.read_table(folder / "t.parquet").select(["a", "n"])
    pq.write_table(alone, tmp_path / "alone.parquet")
    assert run("score", folder / "m", tmp_path / "alone.parquet", "-o", tmp_path / "t.csv") == 0
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    pq.write_table(alone.select(["n", "a"]), tmp_path / "order.parquet")
    assert run("score", folder / "m", tmp_path / "order.parquet", "-o", tmp_path / "u.csv") == 1


def test_a_bad_cell_far_down_is_found(folder, tmp_path, capfd):
    """Rows stream in pieces: the message says where the bad row's piece begins."""
    a = np.zeros(70_000)
    a[66_000] = np.inf
    pq.write_table(pa.table({"a": a, "n": np.zeros(70_000, int)}), tmp_path / "t.parquet")
    assert run("score", folder / "m", tmp_path / "t.parquet", "-o", tmp_path / "s.csv") == 1
    message = " ".join(capfd.readouterr().err.split())
    assert "column 'a', row 464: inf" in message
    assert "counting from row 65536 of the table" in message
    assert not (tmp_path / "s.csv").exists()


def test_gzip_semicolon_decimal_comma(tmp_path, rng):
    rows = "\n".join(f"{a:.3f};{b:.2f}".replace(".", ",") for a, b in rng.normal(size=(80, 2)))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(("\ufeffx;y\n" + rows).encode()))
    assert run("fit", tmp_path / "t.csv.gz", "-o", tmp_path / "m", *FAST) == 0
    assert pf.load(tmp_path / "m").schema_.columns[1].resolution == 0.01
