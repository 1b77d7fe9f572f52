"""Test log-density of y given x on the standard splits of five UCI sets, against published values.

python -m benchmarks conditional --data FOLDER [--sets kin8nm] [--splits 0-19]
    fits what is missing, one JSON line a split; --table writes the table from the lines.

FOLDER holds uci_conditional_dev. Every split is fitted with default settings; y is scored per
original unit. Published values are means over the same splits.
"""

import argparse
import csv
import json
import os
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LINES = HERE / "results" / "conditional.jsonl"
TABLE = HERE / "results" / "conditional.md"
SETS = {
    "bostonHousing": "Boston Housing",
    "concrete": "Concrete Strength",
    "kin8nm": "kin8nm",
    "power-plant": "Power Plant",
    "wine-quality-red": "Wine",
}


def main(arguments):
    """Run the missing splits, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks conditional", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--splits", default="0-19")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    folder = options.data / "uci_conditional_dev"
    first, last = (int(end) for end in options.splits.split("-"))
    known = newest()
    for name in [] if options.table else options.sets.split(","):
        for split in range(first, last + 1):
            if options.again or (name, split) not in known:
                line = measure(folder, name, split)
                print(json.dumps(line), flush=True)
                with LINES.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    write_table(folder)


def measure(folder, name, split):
    """Fit one split and score its test rows."""
    import pushforward as pf

    data = np.load(folder / f"{name}.npz")
    test = data["test_mask"][split]
    x, y = data["X"], data["y"]
    began = time.perf_counter()
    estimator = pf.ConditionalDensityEstimator(random_state=split).fit(x[~test], y[~test])
    took = time.perf_counter() - began
    scores = estimator.log_prob(x[test], y[test])
    return {
        "set": name,
        "split": split,
        "nll": -float(scores.mean()),
        "worst": float(scores.min()),
        "n_nonfinite": int((~np.isfinite(scores)).sum()),
        "rmse": float(np.sqrt(np.mean((estimator.predict(x[test]) - y[test]) ** 2))),
        "crps": float(estimator.crps(x[test], y[test]).mean()),
        "model": estimator.card_["model"],
        "kind": estimator.schema_.columns[0].kind,
        "seconds": round(took, 1),
        "version": pf.__version__,
        "cores": len(os.sched_getaffinity(0)),
    }


def newest():
    """Return the newest line of each set and split."""
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    return {(line["set"], line["split"]): line for line in map(json.loads, lines)}


def write_table(folder):
    """Write the means over splits beside the published ones."""
    known = newest()
    with (folder / "_reference_uncertainty_baselines_nll.csv").open() as file:
        published = list(csv.DictReader(file))
    out = [
        "Mean over the standard splits of −log p(y | x) on test rows (nats, y in its own unit; ±",
        "standard error over splits), default settings. Smaller is better.",
        "",
        "| set | splits | ours | best published | by | seconds a fit |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in SETS.items():
        lines = [line for (found, _), line in known.items() if found == name]
        if not lines:
            continue
        nll = np.array([line["nll"] for line in lines])
        error = nll.std(ddof=1) / np.sqrt(len(nll)) if len(nll) > 1 else float("nan")
        best = min(published, key=lambda row: float(row[title]))
        seconds = np.mean([line["seconds"] for line in lines])
        out.append(
            f"| {name} | {len(nll)} | {nll.mean():.3f} ± {error:.3f} | {best[title]} | "
            f"{best['Method']} | {seconds:.0f} |"
        )
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())
