"""Outliers on ADBench sets: AUROC by the protocol "semi", and false alarms on fresh normal rows.

python -m benchmarks outliers --data FOLDER [--sets 40_vowels,...] [--seeds 0-2]
    fits what is missing, one JSON line a fit; --table writes the table from the lines.

FOLDER holds adbench_dev. Ranking: learn from the first half of the normal rows in file order,
score the others and all outliers (Livernoche et al., 2024). False alarms: learn from a random half
of the normal rows, flag the other half at rates of 1 % and 5 %, against the 99.9 % interval of the
beta-binomial law that conformal p-values have, at the first seed. Default settings; sets of 1,000
to 60,000 rows.
"""

import argparse
import csv
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import scipy.stats
from sklearn.metrics import roc_auc_score

HERE = Path(__file__).parent
LINES = HERE / "results" / "outliers.jsonl"
TABLE = HERE / "results" / "outliers.md"
MOST_ROWS = 50_000
RATES = (0.01, 0.05)


def main(arguments):
    """Run the missing fits, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks outliers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default="", help="all by default")
    parser.add_argument("--seeds", default="0-2")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    folder = options.data / "adbench_dev"
    first, last = (int(end) for end in options.seeds.split("-"))
    known = newest()
    chosen = [name for name in options.sets.split(",") if name] or sets_of(folder)
    for seed in [] if options.table else range(first, last + 1):
        for name in chosen:
            for what, measure in (("ranking", ranking), ("alarms", alarms)):
                if what == "alarms" and seed != first:
                    continue
                if options.again or (name, seed, what) not in known:
                    line = {"set": name, "seed": seed, "what": what, **measure(folder, name, seed)}
                    line["cores"] = len(os.sched_getaffinity(0))
                    print(json.dumps(line), flush=True)
                    with LINES.open("a") as file:
                        file.write(json.dumps(line) + "\n")
    write_table(folder)


def sets_of(folder):
    """Return the sets of 1,000 to 60,000 rows."""
    with (folder / "_list.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [r["file"].removesuffix(".npz") for r in rows if 1000 <= int(r["n"]) <= 60_000]


def ranking(folder, name, seed):
    """Fit the first half of the normal rows; rank the others and all outliers."""
    import pushforward as pf

    x, y = read(folder, name, seed)
    normal = np.flatnonzero(y == 0)
    train = normal[: round(0.5 * len(normal))]
    test = np.setdiff1d(np.arange(len(y)), train)
    began = time.perf_counter()
    detector = pf.OutlierDetector(random_state=seed).fit(x[train])
    took = time.perf_counter() - began
    odd = -detector.score_samples(x[test])
    return {
        "auroc": 100 * float(roc_auc_score(y[test], odd)),
        "n_nonfinite": int((~np.isfinite(odd)).sum()),
        "seconds": round(took, 1),
        "version": pf.__version__,
    }


def alarms(folder, name, seed):
    """Fit a random half of the normal rows; flag the other half."""
    import pushforward as pf

    x, y = read(folder, name, seed)
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    half = len(normal) // 2
    detector = pf.OutlierDetector(random_state=seed).fit(x[normal[:half]])
    p = detector.p_values(x[normal[half:]])
    m = sum(len(part) for part in detector.model_.calibration)
    found = {"fresh": len(p), "calibrating": m}
    for rate in RATES:
        k = int(rate * (m + 1))
        ends = (0.0, 0.0)
        if k:
            law = scipy.stats.betabinom(len(p), k, m + 1 - k)
            ends = tuple(float(law.ppf(q)) / len(p) for q in (0.0005, 0.9995))
        found[f"rate_{rate:g}"] = float((p <= rate).mean())
        found[f"interval_{rate:g}"] = ends
    return found


def read(folder, name, seed):
    """Return rows and labels; large sets by a random part, in file order."""
    data = np.load(folder / f"{name}.npz")
    x, y = data["X"].astype(float), data["y"]
    if len(y) > MOST_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(y))[:MOST_ROWS])
        x, y = x[kept], y[kept]
    return x, y


def newest():
    """Return the newest line of each set, seed and kind."""
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    return {(line["set"], line["seed"], line["what"]): line for line in map(json.loads, lines)}


def published(folder):
    """Return the published AUROC, per set and method."""
    found = {}
    with gzip.open(folder / "_reference_DTE_iclr2024.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["setting"] == "semi" and row["metric"] == "aucroc":
                found.setdefault(_plain(row["dataset"]), {})[row["method"]] = float(row["mean"])
    return found


def write_table(folder):
    """Write AUROC beside the published ones, and the false alarms."""
    known, others = newest(), published(folder)
    names = [n for n in sets_of(folder) if any(key[0] == n for key in known)]
    out = [
        "AUROC × 100, protocol semi, default settings (mean over seeds ± sd of a seed); published",
        "values of 26 detectors (means over 5 seeds). Gap: to the best of them on that set.",
        "",
        "| set | seeds | ours | kNN | DTE-NP | DTE-C | DDPM | OCSVM | IForest | PlanarFlow | best "
        "| gap | seconds a fit |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    shown = ("kNN", "DTE-NP", "DTE-C", "DDPM", "OCSVM", "IForest", "PlanarFlow")
    ours, theirs = [], []
    for name in names:
        lines = [v for k, v in known.items() if k[0] == name and k[2] == "ranking"]
        reference = others.get(_plain(name.split("_", 1)[1]))
        if not lines or reference is None:
            continue
        auroc = np.array([line["auroc"] for line in lines])
        best = max(reference, key=reference.get)
        ours.append(auroc.mean())
        theirs.append(reference)
        sd = auroc.std(ddof=1) if len(auroc) > 1 else float("nan")
        cells = [f"{reference[m]:.1f}" for m in shown]
        out.append(
            f"| {name} | {len(auroc)} | {auroc.mean():.2f} ± {sd:.2f} | {' | '.join(cells)} | "
            f"{reference[best]:.1f} ({best}) | {auroc.mean() - reference[best]:+.1f} | "
            f"{np.mean([line['seconds'] for line in lines]):.0f} |"
        )
    if ours:
        everywhere = {m: np.mean([r[m] for r in theirs]) for m in theirs[0]}
        best = max(everywhere, key=everywhere.get)
        cells = [f"{everywhere[m]:.2f}" for m in shown]
        out.append(
            f"| mean | | {np.mean(ours):.2f} | {' | '.join(cells)} | "
            f"{everywhere[best]:.2f} ({best}) | {np.mean(ours) - everywhere[best]:+.2f} | |"
        )
    out += [
        "",
        "Share of fresh normal rows flagged, and the 99.9 % interval of a calibrated detector.",
        "",
        "| set | seed | rows | at 1 % | interval | at 5 % | interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, seed, what), line in sorted(known.items()):
        if what != "alarms":
            continue
        cells = []
        for rate in RATES:
            value, (low, high) = line[f"rate_{rate:g}"], line[f"interval_{rate:g}"]
            inside = low <= value <= high
            cells.append(f"{value:.4f}{'' if inside else ' (outside)'} | {low:.4f}, {high:.4f}")
        out.append(f"| {name} | {seed} | {line['fresh']} | {' | '.join(cells)} |")
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _plain(name):
    return "".join(c for c in name.lower() if c.isalnum())
