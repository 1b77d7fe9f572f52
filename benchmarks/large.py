"""A large mixed table: does a fit keep its budget of time and memory, and how fast is scoring.

python -m benchmarks large [--rows 1000000] [--max-time 120]

Twenty columns made here: numbers (smooth, heavy-tailed, rounded, mostly zero, with missing cells),
counts, categories of 2 to 40 texts, true and false. By the command line, each command in a process
of its own: seconds, greatest memory, rows scored per second.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
LINES = HERE / "results" / "large.jsonl"


def main(arguments):
    """Make the table, fit it, score it."""
    parser = argparse.ArgumentParser(prog="benchmarks large", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--max-time", type=float, default=120)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "large.parquet", Path(folder) / "model"
        made = table(options.rows)
        made.to_parquet(path)
        found = {"rows": options.rows, "columns": made.shape[1], "max_time": options.max_time}
        del made
        budget = ["--max-time", str(options.max_time)]
        found["fit_s"] = run("fit", path, "-o", model, *budget)
        found["fit_gib"] = peak()
        found["score_s"] = run("score", model, path, "-o", Path(folder) / "scores.parquet")
        found["score_rows_per_s"] = round(options.rows / found["score_s"])
        found["peak_gib"] = peak()
        found["python_rows_per_s"] = in_python(model, path)
    found["cores"] = len(os.sched_getaffinity(0))
    print(json.dumps(found))
    with LINES.open("a") as file:
        file.write(json.dumps(found) + "\n")


def run(*words):
    """Run a command of the library; return its seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pushforward", *map(str, words)], check=True)
    return round(time.perf_counter() - began, 1)


def in_python(model, path):
    """Return rows scored per second by a loaded model on a frame in memory, once compiled."""
    import pushforward as pf

    estimator, frame = pf.load(model), pd.read_parquet(path)
    estimator.score_samples(frame[:2000])
    began = time.perf_counter()
    estimator.score_samples(frame)
    return round(len(frame) / (time.perf_counter() - began))


def peak():
    """Return the greatest memory of a process so far, in GiB."""
    return round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 2)


def table(n):
    """Return n rows of twenty columns that depend on each other."""
    rng = np.random.default_rng(0)
    group = rng.choice(12, n, p=np.arange(12, 0, -1) / 78)
    base = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 6)) + rng.normal(size=(12, 6))[group]
    x = base + 0.5 * rng.normal(size=(n, 6))
    size = np.exp(x[:, 0] + 0.3 * rng.normal(size=n))
    found = {f"x{i}": x[:, i] for i in range(6)}
    found["curve"] = np.sin(x[:, 0]) + x[:, 1] ** 2 + 0.2 * rng.normal(size=n)
    found["ring"] = np.hypot(x[:, 2], x[:, 3]) + 0.1 * rng.normal(size=n)
    found["size"] = size
    found["tail"] = x[:, 4] * rng.standard_t(3, n)
    found["price"] = np.round(20 * size + rng.gamma(2, 5, n), 2)
    found["gain"] = np.where(rng.random(n) < 0.8, 0.0, np.exp(x[:, 1]) * 100)
    found["age"] = np.clip(np.round(40 + 10 * x[:, 5]), 18, 95).astype(int)
    found["visits"] = rng.poisson(np.exp(0.5 * np.tanh(x[:, 2]) + 1))
    found["lab"] = np.where(rng.random(n) < 0.15, np.nan, x[:, 3] + rng.normal(size=n))
    found["late"] = np.where(rng.random(n) < 0.05, np.nan, np.round(x[:, 4], 1))
    found["group"] = np.array([f"g{k}" for k in range(12)])[group]
    found["city"] = np.array([f"c{k}" for k in range(40)])[(3 * group + rng.poisson(2, n)) % 40]
    found["grade"] = np.array(list("abcde"))[np.digitize(x[:, 0], [-2, -0.5, 0.5, 2])]
    found["member"] = rng.random(n) < 1 / (1 + np.exp(-x[:, 1]))
    return pd.DataFrame(found)
