"""Held-out log-density on real tables: ours, baselines and peers, on the same rows.

python -m benchmarks tables --data FOLDER [--sets a,b] [--methods ours,gmm] [--seeds 0]
    runs what is missing, one JSON line a measurement; --table writes the table from the lines.
Peers run in environments of their own: --python flowjax=PATH (requirements beside the adapters).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LINES = HERE / "results" / "tables.jsonl"
TABLE = HERE / "results" / "tables.md"
CACHE = HERE / ".cache"
METHODS = ("ours", "gaussian", "gmm", "kde", "flowjax", "zuko")


def main(arguments):
    """Run the missing measurements, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks tables", description=__doc__)
    tasks = json.loads((HERE / "tasks" / "tables.json").read_text())["tasks"]
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=",".join(tasks))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--python", action="append", default=[], metavar="METHOD=PATH")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    pythons = dict(pair.split("=", 1) for pair in options.python)
    CACHE.mkdir(exist_ok=True)
    if not options.table:
        for name in options.sets.split(","):
            for seed in map(int, options.seeds.split(",")):
                for method in options.methods.split(","):
                    if options.again or not _scores_file(name, method, seed).exists():
                        measure(name, tasks[name], method, seed, options.data, pythons)
    write_table(tasks)


def rows_of(task, data):
    """Return train, validation and test rows of a task, noise added and columns dropped."""
    file = np.load(data / task["path"])
    split = file["split"]
    names = task["columns"]
    raw = file["X"].astype(np.float64)[:, : len(names)]
    widths = np.array([task["noise"].get(name, 0.0) for name in names])
    noise = np.random.default_rng(0).random(file["X"].shape)[:, : len(names)]
    kept = [i for i, name in enumerate(names) if name not in task["dropped"]]
    values = (raw + noise * widths)[:, kept]
    known = {row.tobytes() for row in raw[split < 2][:, kept]}
    fresh = np.array([row.tobytes() not in known for row in raw[:, kept]])
    return values[split == 0], values[split == 1], values[(split == 2) & fresh]


def measure(name, task, method, seed, data, pythons):
    """Run one adapter in its own process and append a line."""
    train, validation, test = rows_of(task, data)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, train=train, validation=validation, test=test)
        adapter = HERE / "peers" / f"{method}.py"
        command = [
            pythons.get(method, sys.executable),
            str(adapter),
            str(source),
            str(target),
            str(seed),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = {
            "task": name,
            "method": method,
            "seed": seed,
            "rows": len(train),
            "dim": train.shape[1],
        }
        if done.returncode:
            line["error"] = done.stderr.strip().splitlines()[-1][:300]
        else:
            result = np.load(target)
            scores = result["log_prob"] + np.log(train.std(0)).sum()
            np.save(_scores_file(name, method, seed), scores)
            line |= {
                "test_rows": len(test),
                "nats": float(scores.mean()),
                "se": _error(scores),
                "worst": float(scores.min()),
                "n_nonfinite": int((~np.isfinite(scores)).sum()),
                "seconds": round(float(result["seconds"]), 1),
                "version": str(result["versions"]),
                "cores": len(os.sched_getaffinity(0)),
            }
    print(json.dumps(line), flush=True)
    with LINES.open("a") as file:
        file.write(json.dumps(line) + "\n")


def write_table(tasks):
    """Write the newest measurements as a table, with paired differences to the best other."""
    newest = {}
    for text in LINES.read_text().splitlines() if LINES.exists() else []:
        line = json.loads(text)
        newest[line["task"], line["method"], line["seed"]] = line
    out = [
        "Mean test log-density, nats per row in units of the train rows' sd (± standard error over",
        "rows); the last columns are ours minus the best other, paired over rows.",
        "",
        "| set | n × d | seed | " + " | ".join(METHODS) + " | ours − best other | verdict |",
        "|" + "---|" * (len(METHODS) + 5),
    ]
    for name in tasks:
        seeds = sorted({seed for task, _, seed in newest if task == name})
        for seed in seeds:
            lines = {m: newest[name, m, seed] for m in METHODS if (name, m, seed) in newest}
            out.append(_row(name, seed, lines))
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _row(name, seed, lines):
    cells = []
    for method in METHODS:
        line = lines.get(method)
        if line is None or "error" in line:
            cells.append("failed" if line else "")
        else:
            bad = f" ({line['n_nonfinite']} non-finite)" if line["n_nonfinite"] else ""
            cells.append(f"{line['nats']:.3f} ± {line['se']:.3f}{bad}, {line['seconds']:.0f} s")
    size = next(f"{line['rows']} × {line['dim']}" for line in lines.values())
    finite = {m: line["nats"] for m, line in lines.items() if np.isfinite(line.get("nats", np.nan))}
    others = {m: nats for m, nats in finite.items() if m != "ours"}
    end = ["", ""]
    if "ours" in finite and others:
        best = max(others, key=lambda m: others[m])
        files = [_scores_file(name, m, seed) for m in ("ours", best)]
        if all(file.exists() for file in files):
            ours, other = (np.load(file) for file in files)
            gap, error = float((ours - other).mean()), _error(ours - other)
            verdict = "best" if gap >= 0 else "within 2 s.e." if gap >= -2 * error else "behind"
            end = [f"{gap:+.3f} ± {error:.3f} ({best})", verdict]
    return "| " + " | ".join([name, size, str(seed), *cells, *end]) + " |"


def _error(scores):
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))


def _scores_file(name, method, seed):
    return CACHE / f"{name}-{method}-{seed}.npy"
