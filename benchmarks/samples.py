"""Samples of four small tables: Wasserstein distance to test rows, against published generators.

python -m benchmarks samples --data FOLDER [--sets iris,wine]
    fits what is missing, one JSON line a split; --table writes the table from the lines.

FOLDER holds small_samplequality_dev. Three stratified splits (a fifth tests), five draws of as
many rows as were learned from; exact W1 in L1 after min-max scaling by the training rows, the
class among the columns, one-hot and halved (Jolicoeur-Martineau et al., 2024). Default settings;
rows drawn independently, and balanced.
"""

import argparse
import csv
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent
LINES = HERE / "results" / "samples.jsonl"
TABLE = HERE / "results" / "samples.md"
SETS = ("iris", "wine", "seeds", "glass")
DRAWS = 5


def main(arguments):
    """Run the missing splits, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks samples", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    folder = options.data / "small_samplequality_dev"
    known = newest()
    for name in [] if options.table else options.sets.split(","):
        for split in range(3):
            if options.again or (name, split) not in known:
                line = measure(folder, name, split)
                print(json.dumps(line), flush=True)
                with LINES.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    write_table(folder)


def measure(folder, name, split):
    """Fit one split's training rows with their class; compare draws with both parts."""
    import pushforward as pf

    data = np.load(folder / f"{name}.npz", allow_pickle=False)
    x, y = data["X"], data["y"].astype(int)
    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=split, stratify=y)
    names = [f"x{i}" for i in range(x.shape[1])]

    def table(rows):
        return pd.DataFrame(x[rows], columns=names).assign(label=y[rows].astype(str))

    began = time.perf_counter()
    estimator = pf.DensityEstimator(random_state=split).fit(table(train))
    took = time.perf_counter() - began
    low, high = x[train].min(0), x[train].max(0)
    classes = np.unique(y).astype(str)

    def scaled(rows):
        numbers = (rows[names].to_numpy() - low) / np.where(high > low, high - low, 1.0)
        onehot = rows["label"].to_numpy()[:, None] == classes
        return np.concatenate([numbers, onehot / 2], 1)

    found = {}
    for kind, balanced in (("independent", False), ("balanced", True)):
        draws = [
            scaled(estimator.sample(len(train), random_state=k, balanced=balanced))
            for k in range(DRAWS)
        ]
        for part, rows in (("train", train), ("test", test)):
            w = [wasserstein(drawn, scaled(table(rows))) for drawn in draws]
            found[f"{kind}_{part}"] = float(np.mean(w))
    return {
        "set": name,
        "split": split,
        **found,
        "oracle": wasserstein(scaled(table(train)), scaled(table(test))),
        "model": estimator.card_["model"],
        "seconds": round(took, 1),
        "version": pf.__version__,
        "cores": len(os.sched_getaffinity(0)),
    }


def wasserstein(a, b):
    """Return the exact W1 of two sets of points in L1, rows in equal shares."""
    cost = np.abs(a[:, None] - b[None]).sum(2)
    n, m = cost.shape
    place = np.arange(n * m)
    ends = np.concatenate([place // m, n + place % m])
    sums = csr_array((np.ones(2 * n * m), (ends, np.concatenate([place, place])))).tocsr()
    shares = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return float(linprog(cost.ravel(), A_eq=sums[:-1], b_eq=shares[:-1], method="highs").fun)


def newest():
    """Return the newest line of each set and split."""
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    return {(line["set"], line["split"]): line for line in map(json.loads, lines)}


def write_table(folder):
    """Write the means over splits beside the published ones."""
    known = newest()
    with (folder / "_reference_forestdiffusion_aistats2024.csv").open() as file:
        published = [row for row in csv.DictReader(file) if row["method"] != "oracle"]
    out = [
        "W1 to the test rows (mean of 3 splits × 5 draws ± standard error over splits), default",
        "settings: independent rows, as the published generators draw, and balanced ones. Place:",
        "among the published. Oracle: the training rows themselves.",
        "",
        "| set | independent | place | balanced | place | oracle | published | seconds a fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in SETS:
        lines = [line for (found, _), line in known.items() if found == name]
        if not lines:
            continue
        others = sorted(
            (float(r["W_test"]), r["method"]) for r in published if r["dataset"] == name
        )
        best = ", ".join(f"{value:.3f} ({method})" for value, method in others[:3])
        cells = []
        for kind in ("independent", "balanced"):
            w = np.array([line[f"{kind}_test"] for line in lines])
            error = w.std(ddof=1) / np.sqrt(len(w)) if len(w) > 1 else float("nan")
            place = 1 + sum(value < w.mean() for value, _ in others)
            cells.append(f"{w.mean():.3f} ± {error:.3f} | {place}")
        oracle, seconds = (np.mean([line[k] for line in lines]) for k in ("oracle", "seconds"))
        out.append(f"| {name} | {' | '.join(cells)} | {oracle:.3f} | {best} | {seconds:.0f} |")
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())
