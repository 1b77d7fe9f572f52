"""Greedy layers against laws that are known: held-out density, mass at every depth, seconds.

python -m benchmarks gaussianization [--seeds 5] [--python sinflow=PATH]
    measures what is missing, one JSON line a fit; --table writes the table from the lines.

Laws: the four of the plane, ten equicorrelated columns, ten that share a heavy tail. Each recipe
learns from all rows as `pf.fit` does by default; 20,000 fresh rows of each law score. The mass of
a law of the plane is the quadrature of its density after each layer. Seconds: 6,000 rows of eight
columns through twelve layers, in a process that has done so once (and the first time).
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import jax
import numpy as np
from scipy import stats

import pushforward as pf
from benchmarks.information import disc, equicorrelated, ring, square, student
from pushforward.fitting.greedy import find_layers
from pushforward.fitting.memory import BlocksInMemory
from pushforward.transforms import GreedyPlan

HERE = Path(__file__).parent
LINES = HERE / "results" / "gaussianization.jsonl"
TABLE = HERE / "results" / "gaussianization.md"
FRESH = 20_000
LAWS = {
    "gaussian 0.8": (equicorrelated(0.8, 2), 0.05),
    "square": (square(), 0.05),
    "t3": (student(3, 2), 0.05),
    "ring": (ring(), 0.05),
    "disc": (disc(), 0.05),
    "equicorrelated 0.5, d = 10": (equicorrelated(0.5, 10), 0.1),
    "t3, d = 10": (student(3, 10), None),
}
"""Law, and the nats a row that a fit to 10,000 rows may lack of it, where there is a goal."""


def main(arguments):
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks gaussianization", description=__doc__)
    parser.add_argument("--sizes", default="1500,10000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=PATH")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    pythons = dict(pair.split("=", 1) for pair in options.python)
    known = LINES.read_text().splitlines() if LINES.exists() else []
    done = {(e["law"], e["n"], e["seed"], e["method"]) for e in map(json.loads, known)}
    methods = ["rbig", "sinf", *pythons]
    if not options.table:
        with LINES.open("a") as out:
            for n in map(int, options.sizes.split(",")):
                for law in LAWS:
                    for seed in range(options.seeds):
                        for method in methods:
                            if (law, n, seed, method) not in done:
                                line = measure(law, n, seed, method, pythons)
                                out.write(json.dumps(line) + "\n")
                                out.flush()
            if ("speed", 6000, 0, "rbig") not in done:
                out.write(json.dumps(seconds()) + "\n")
    write_table()


def measure(law, n, seed, method, pythons):
    """Fit one method to one draw; return its mean log density of fresh rows less the law's own."""
    (draw, truths), _ = LAWS[law]
    rng = np.random.default_rng([seed, n])
    rows, fresh = draw(rng, n), draw(rng, FRESH)
    line = {"law": law, "n": n, "seed": seed, "method": method, "truth": -float(truths["entropy"])}
    began = time.monotonic()
    if method in pythons:
        log_prob = _peer(pythons[method], method, rows, fresh, seed)
    else:
        model = pf.models.build(method, rows.shape[1], key=jax.random.key(seed))
        fitted = pf.fit(model, rows, key=jax.random.key(seed + 1))
        log_prob = np.asarray(fitted.model.log_prob(fresh), float)
        line |= {"layers": len(fitted.history["epoch"]), "stopped_by": fitted.stopped_by}
    line["seconds"] = round(time.monotonic() - began, 2)
    finite = np.isfinite(log_prob)
    line |= {"lost": int((~finite).sum()), "nats": float(log_prob[finite].mean())}
    line["std_error"] = float(log_prob[finite].std() / np.sqrt(finite.sum()))
    if rows.shape[1] == 2 and method == "rbig":
        line["worst_mass"] = worst_mass(rows)
    return line


def worst_mass(rows):
    """Return the mass farthest from one of the density after each of thirty layers.

    By quadrature with steps that grow away from zero: x = sinh(s)."""
    memory = BlocksInMemory(rows, np.ones(len(rows)))
    layers = find_layers(memory, GreedyPlan(30), np.random.default_rng(0), patience=30).layers
    s = np.linspace(-7, 7, 1001)
    z = np.stack(np.meshgrid(np.sinh(s), np.sinh(s), indexing="ij")).reshape(2, -1)
    log_weight = np.log(np.outer(np.cosh(s), np.cosh(s)).ravel() * (s[1] - s[0]) ** 2)
    total, masses = np.zeros(z.shape[1]), [1.0]
    for layer in layers:
        z, change = layer.move(z)
        total += change
        masses.append(np.exp(log_weight + total + stats.norm.logpdf(z).sum(0)).sum())
    return float(max(masses, key=lambda mass: abs(mass - 1)))


def seconds():
    """Return how long twelve layers of 6,000 rows of eight columns take, first and later."""
    rows = equicorrelated(0.5, 8)[0](np.random.default_rng(0), 6000) ** 3
    taken = []
    for _ in range(6):
        began = time.monotonic()
        model = pf.models.rbig(8, key=jax.random.key(0), layers=12)
        pf.fit(model, rows, key=jax.random.key(1), validation=0.0)
        taken.append(time.monotonic() - began)
    line = {"law": "speed", "n": 6000, "seed": 0, "method": "rbig"}
    return line | {"first": round(taken[0], 3), "later": round(float(np.median(taken[1:])), 3)}


def _peer(python, library, rows, fresh, seed):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        cut = len(rows) // 5
        np.savez(source, train=rows[cut:], validation=rows[:cut], test=fresh)
        adapter = HERE / "peers" / f"{library}.py"
        subprocess.run([python, adapter, source, target, str(seed)], check=True)
        return np.load(target)["log_prob"]


def write_table():
    """Write the table from the lines: nats short of the truth, mean over draws and their error."""
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    groups = defaultdict(list)
    for line in lines:
        if line["law"] in LAWS:
            groups[line["n"], line["law"], line["method"]].append(line)
    rows = [
        "Mean log density of 20,000 fresh rows, and nats short of the law's own (mean over draws",
        "± its error; negative where the fresh rows happen to be likely). Mass: the one farthest",
        "from 1 after any of thirty layers.",
        "`python -m benchmarks gaussianization --python sinflow=PATH`",
        "",
        "| rows | law | truth | method | draws | nats | short by | goal | −inf or NaN | mass | s |",
        "|---" * 11 + "|",
    ]
    place = {law: i for i, law in enumerate(LAWS)}
    for key in sorted(groups, key=lambda key: (key[0], place[key[1]])):
        (n, law, method), found = key, groups[key]
        truth, nats = found[0]["truth"], np.array([line["nats"] for line in found])
        short = truth - nats
        error = short.std() / max(len(short) - 1, 1) ** 0.5
        goal = LAWS[law][1] if n == 10_000 and method in ("rbig", "sinf") else None
        told = "" if goal is None else f"{goal} {'met' if short.mean() <= goal else '**missed**'}"
        lost = sum(line["lost"] for line in found)
        mass = [line["worst_mass"] for line in found if "worst_mass" in line]
        worst = f"{max(mass, key=lambda m: abs(m - 1)):.4f}" if mass else ""
        rows.append(
            f"| {n:,} | {law} | {truth:.3f} | {method} | {len(found)} | {nats.mean():.3f} | "
            f"{short.mean():+.3f} ± {error:.3f} | {told} | {lost} | {worst} | "
            f"{np.mean([e['seconds'] for e in found]):.2f} |"
        )
    speed = [line for line in lines if line["law"] == "speed"]
    if speed:
        rows += [
            "",
            f"6,000 rows of eight columns, twelve layers: {speed[-1]['later']} s "
            f"({speed[-1]['first']} s the first time in a process).",
        ]
    TABLE.write_text("\n".join(rows) + "\n")
