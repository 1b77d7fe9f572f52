"""The flow recipes that libraries share, each library's own on the same rows and z-scores.

python -m benchmarks recipes --data FOLDER [--sets redwine] [--recipes nsf,maf] [--seconds 30]
    fits what is missing, one JSON line a measurement; --table writes the table from the lines.
Peers run in environments of their own: --python zuko=PATH (requirements beside the adapters).

Layers, widths and bins are ours as far as a library allows. Ours learns with the defaults of
`fit`, and once more with a dropout of 0.1; every peer by the same loop: Adam at 1e-3, batches of
256, gradients clipped at 5, the best validation epoch, patience 20. The time holds the first,
compiling call; scoring is outside.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.peers.common import standardized
from benchmarks.tables import rows_of

HERE = Path(__file__).parent
LINES = HERE / "results" / "recipes.jsonl"
TABLE = HERE / "results" / "recipes.md"
CACHE = HERE / ".cache"
SETS = ("redwine", "whitewine", "miniboone_head")
RECIPES = ("nice", "realnvp", "maf", "nsf", "nsf_coupling", "naf", "umnn", "bnaf")
OURS = ("ours", "ours_dropout")
LIBRARIES = (*OURS, "zuko", "flowjax", "nflows", "normflows")
LATE = 1.2
"""Times its limit at which a fit is called late: limits cannot strike inside a compiled call."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main(arguments):
    """Run the missing measurements, each in a process of its own, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks recipes", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--libraries", default=",".join(LIBRARIES))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--python", action="append", default=[], metavar="LIBRARY=PATH")
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    pythons = dict(pair.split("=", 1) for pair in options.python)
    CACHE.mkdir(exist_ok=True)
    known = newest()
    for case in [] if options.table else _cases(options):
        if options.again or not _is_done(case, known):
            measure(case, options.data, options.seconds, pythons)
    write_table()


def _cases(options):
    return [
        (task, recipe, library, seed)
        for task in options.sets.split(",")
        for recipe in options.recipes.split(",")
        for seed in map(int, options.seeds.split(","))
        for library in options.libraries.split(",")
    ]


def _is_done(case, known):
    return "absent" in known.get(case, {}) or (case in known and _scores_file(*case).exists())


def measure(case, data, seconds, pythons):
    """Run one adapter in its own process and append a line."""
    name, recipe, library, seed = case
    task = json.loads((HERE / "tasks" / "tables.json").read_text())["tasks"][name]
    train, validation, test = rows_of(task, data)
    z = {"train": train, "validation": validation, "test": test}
    z = {part: standardized(rows, train)[0] for part, rows in z.items()}
    line = {"task": name, "recipe": recipe, "library": library, "seed": seed, "limit": seconds}
    line |= {"rows": len(train), "dim": train.shape[1], "test_rows": len(test)}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **z)
        command = [
            pythons.get(library, sys.executable),
            "-m",
            f"benchmarks.peers.recipes.{library}",
        ]
        command += [str(source), str(target), recipe, str(seed), str(seconds)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=HERE.parent,
            env=os.environ | ONE_THREAD,
        )
        if done.returncode:
            line["error"] = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
            _scores_file(*case).unlink(missing_ok=True)
        else:
            line |= _result(np.load(target), _scores_file(*case))
    print(json.dumps(line), flush=True)
    with LINES.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _result(result, scores_file):
    """Return what a measurement adds to its line, and keep the scores of its rows."""
    if "absent" in result:
        return {"absent": str(result["absent"])}
    scores = result["log_prob"].astype(np.float64)
    np.save(scores_file, scores)
    return {
        "nats": float(scores.mean()),
        "se": _error(scores),
        "worst": float(scores.min()),
        "n_nonfinite": int((~np.isfinite(scores)).sum()),
        "parameters": int(result["parameters"]),
        "epochs": int(result["epochs"]),
        "stopped_by": str(result["stopped_by"]),
        "seconds": round(float(result["seconds"]), 1),
        "version": str(result["version"]),
        "cores": len(os.sched_getaffinity(0)),
    }


def newest():
    """Return the newest line of each set, recipe, library and seed."""
    lines = map(json.loads, LINES.read_text().splitlines() if LINES.exists() else [])
    return {tuple(line[k] for k in ("task", "recipe", "library", "seed")): line for line in lines}


def write_table():
    """Write the newest measurements as a table, with paired differences to the best peer."""
    known = newest()
    counts = sorted({line["cores"] for line in known.values() if "cores" in line})
    cores = " or ".join(map(str, counts)) + (" core" if counts == [1] else " cores")
    rows, verdicts = [], {who: Counter() for who in OURS}
    for name in SETS:
        for recipe in RECIPES:
            for seed in sorted({key[3] for key in known if key[:2] == (name, recipe)}):
                lines = {a: known.get((name, recipe, a, seed)) for a in LIBRARIES}
                ends = []
                for who in OURS:
                    gap, verdict = _against_best(who, name, recipe, seed, lines)
                    verdicts[who][verdict] += 1
                    ends += [gap, verdict]
                size = next(f"{line['rows']} × {line['dim']}" for line in lines.values() if line)
                cells = [name, size, recipe, str(seed), *map(_cell, lines.values()), *ends]
                rows.append("| " + " | ".join(cells) + " |")
    tallies = [
        f"{who}: " + ", ".join(f"{verdicts[who][v]} {v}" for v in ("best", "equal", "behind"))
        for who in OURS
    ]
    out = [
        "Mean test log-density on z-scores, nats per row (± standard error over rows), and seconds",
        f"of fit on {cores}; late: more than a fifth over the limit. A dash: the library has no",
        "such recipe. Then ours minus the best peer, paired over rows: best (≥ 0), equal (within",
        f"two standard errors) or behind. Of {len(rows)} rows, " + "; ".join(tallies) + ".",
        "",
        "| set | n × d | recipe | seed | "
        + " | ".join(LIBRARIES)
        + " | "
        + " | ".join(f"{who} − best peer | verdict" for who in OURS)
        + " |",
        "|" + "---|" * (len(LIBRARIES) + 4 + 2 * len(OURS)),
        *rows,
    ]
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _cell(line):
    if line is None or "absent" in line or "error" in line:
        return "" if line is None else "—" if "absent" in line else "failed"
    bad = f" ({line['n_nonfinite']} non-finite)" if line["n_nonfinite"] else ""
    late = " (late)" if line["seconds"] > LATE * line["limit"] else ""
    return f"{line['nats']:.3f} ± {line['se']:.3f}{bad}, {line['seconds']:.0f} s{late}"


def _against_best(who, name, recipe, seed, lines):
    """Return the paired difference to the best peer that gave finite scores, and the verdict."""
    nats = {library: line["nats"] for library, line in lines.items() if line and "nats" in line}
    peers = [library for library in nats if library not in OURS and np.isfinite(nats[library])]
    if who not in nats or not peers:
        return "", ""
    best = max(peers, key=lambda library: nats[library])
    files = [_scores_file(name, recipe, library, seed) for library in (who, best)]
    if not all(file.exists() for file in files):
        return f"{nats[who] - nats[best]:+.3f} ({best})", ""
    ours, peer = map(np.load, files)
    gap, error = float((ours - peer).mean()), _error(ours - peer)
    verdict = "best" if gap >= 0 else "equal" if gap >= -2 * error else "behind"
    return f"{gap:+.3f} ± {error:.3f} ({best})", verdict


def _error(scores):
    return float(scores.std(ddof=1) / np.sqrt(len(scores)))


def _scores_file(name, recipe, library, seed):
    return CACHE / f"recipes-{name}-{recipe}-{library}-{seed}.npy"
