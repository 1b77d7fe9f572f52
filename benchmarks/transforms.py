"""Held-out log-density of every recipe on targets in the plane whose density is known.

python -m benchmarks transforms [--recipes nsf,maf] [--targets moons] [--seconds 30] [--rows 20000]
    fits what is missing, one JSON line a measurement; --table writes the table from the lines.

Every recipe learns with the defaults of `fit` and of its own, from the same rows on their
z-scores, for at most so many seconds after the start; the figure is the paired mean of
log p_true − log p_model on fresh rows, in nats: 0 is perfect.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LINES = HERE / "results" / "transforms.jsonl"
TABLE = HERE / "results" / "transforms.md"
TARGETS = ("moons", "eight_gaussians", "rings", "checkerboard")


def main(arguments):
    """Run the missing measurements, each in a process of its own, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks transforms", description=__doc__)
    parser.add_argument("--recipes", default="")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.recipes, options.targets, options.seconds, options.rows)))
        return
    known = newest()
    for recipe in options.recipes.split(",") if options.recipes else recipes_of_the_plane():
        for target in [] if options.table else options.targets.split(","):
            if options.again or (recipe, target) not in known:
                again = ["--recipes", recipe, "--targets", target, "--rows", str(options.rows)]
                run_one([*again, "--seconds", str(options.seconds)], recipe, target)
    write_table()


def run_one(arguments, recipe, target):
    """Measure in a fresh process, so that no compiled program is shared, and keep the line."""
    command = [sys.executable, "-m", "benchmarks", "transforms", "--one", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
        line = {"recipe": recipe, "target": target, "error": error}
    else:
        line = json.loads(done.stdout.strip().splitlines()[-1])
    print(json.dumps(line), flush=True)
    with LINES.open("a") as file:
        file.write(json.dumps(line) + "\n")


def recipes_of_the_plane():
    """Return the recipes that give an exact or numerical density of two real columns."""
    import jax

    import pushforward as pf

    chosen = []
    for name in pf.models.names():
        try:
            model = pf.models.build(name, 2, key=jax.random.key(0))
        except (TypeError, ValueError):  # asks for a shape, or lives on another space
            continue
        if model.support == "real" and model.evidence <= pf.core.Evidence.NUMERICAL:
            chosen.append(name)
    return chosen


def measure(recipe, target, seconds, n):
    """Fit one recipe to one target and return the line."""
    import jax

    import pushforward as pf

    law = target_of(target)
    rng = np.random.default_rng(0)
    train, test = law.sample(rng, n), law.sample(rng, n)
    centre, scale = train.mean(0), train.std(0)
    model = pf.models.build(recipe, 2, key=jax.random.key(0))
    before = time.perf_counter()
    fitted = pf.fit(model, (train - centre) / scale, key=jax.random.key(1), max_time=seconds)
    took = time.perf_counter() - before
    parts = [(test[i : i + 2000] - centre) / scale for i in range(0, n, 2000)]
    log_p = np.concatenate([np.asarray(fitted.model.log_prob(part), np.float64) for part in parts])
    gap = law.log_prob(test) - (log_p - np.log(scale).sum())
    return {
        "recipe": recipe,
        "target": target,
        "rows": n,
        "gap": float(gap.mean()),
        "se": float(gap.std(ddof=1) / np.sqrt(n)),
        "n_nonfinite": int((~np.isfinite(gap)).sum()),
        "parameters": pf.core.count_parameters(model),
        "epochs": len(fitted.history["epoch"]),
        "stopped_by": fitted.stopped_by,
        "seconds": round(took, 1),
        "version": pf.__version__,
        "cores": len(os.sched_getaffinity(0)),
    }


def target_of(name):
    """Return the target law from the tests' closed forms."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    from oracles.planar import PLANAR

    return PLANAR[name]


def newest():
    """Return the newest line of each recipe and target."""
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    return {(line["recipe"], line["target"]): line for line in map(json.loads, lines)}


def write_table():
    """Write the newest measurements as a table."""
    known = newest()
    counts = sorted({line["cores"] for line in known.values() if "cores" in line})
    cores = " or ".join(map(str, counts)) + (" core" if counts == [1] else " cores")
    out = [
        "Paired mean of log p_true − log p_model on 20,000 fresh rows (nats ± standard error; 0 is",
        f"perfect), after learning from 20,000 rows for at most 30 s on {cores} with defaults.",
        "",
        "| recipe | parameters | " + " | ".join(TARGETS) + " |",
        "|" + "---|" * (len(TARGETS) + 2),
    ]
    for recipe in sorted({recipe for recipe, _ in known}):
        lines = [known.get((recipe, target)) for target in TARGETS]
        sizes = [str(line["parameters"]) for line in lines if line and "parameters" in line]
        out.append("| " + " | ".join([recipe, (sizes or [""])[0], *map(_cell, lines)]) + " |")
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _cell(line):
    if line is None or "error" in line:
        return "failed" if line else ""
    bad = f" ({line['n_nonfinite']} non-finite)" if line["n_nonfinite"] else ""
    return f"{line['gap']:.3f} ± {line['se']:.3f}{bad}, {line['seconds']:.0f} s"
