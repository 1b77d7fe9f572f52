"""Time to quality: from a fresh process until a peer's best validation nats are reached.

python -m benchmarks speed quality --data FOLDER [--sets california] [--peers flowjax]

Five layers of splines, autoregressive nets of 64 × 64, eight bins, on the same z-scores. Each
library's flow is as it learns best: flowjax with means and scales of the base that are learned,
ours with a triangular map in each layer. A peer learns with Adam at 1e-3, batches of 256 and
patience 20; its time ends with its best epoch. Ours is `fit` for a limit of time, a fresh process
for each limit, in rising order until one is as good; its time is all that this process took until
`fit` returned. Imports and compilation count on both sides. Machines stay alone meanwhile.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peers.common import standardized
from benchmarks.speed.environments import HERE, python_of
from benchmarks.speed.machine import machine
from benchmarks.tables import rows_of

LINES = HERE / "results" / "speed_quality.jsonl"
TABLE = HERE / "results" / "speed_quality.md"
SETS = ("power_minutes", "california", "miniboone_head")
PEERS = ("flowjax", "zuko")
OURS = "ours_by_time"
RECIPE = "nsf"
LIMIT = 400.0
"""Seconds after which a peer is stopped, should its patience last longer."""
SHARES = (12, 10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1)
"""What a peer's time is divided by for the limits of ours."""


def main(arguments):
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks speed quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    known = newest()
    for name in [] if options.table else options.sets.split(","):
        for peer in options.peers.split(","):
            if options.again or (name, peer) not in known:
                measure(name, peer, options.data, options.seed)
    write_table()


def measure(name, peer, data, seed):
    """Run a peer, then ours with rising limits until it is as good, and append a line."""
    task = json.loads((HERE / "tasks" / "tables.json").read_text())["tasks"][name]
    train, validation, _ = rows_of(task, data)
    z = {"train": train, "validation": validation, "test": validation[:1]}
    z = {part: standardized(rows, train)[0] for part, rows in z.items()}
    line = {"set": name, "peer": peer, "rows": len(train), "dim": train.shape[1], "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **z)
        line["theirs"] = run(peer, source, target, LIMIT, seed)
        line["ours"] = []
        for share in SHARES:
            found = run(OURS, source, target, line["theirs"]["reached"] / share, seed)
            line["ours"].append(found)
            if found["validation"] >= line["theirs"]["validation"]:
                break
    line |= machine()
    print(json.dumps(line), flush=True)
    with LINES.open("a") as file:
        file.write(json.dumps(line) + "\n")


def run(library, source, target, seconds, seed):
    """Return the validation nats that a library reached, and after how many seconds."""
    module = f"benchmarks.peers.recipes.{library}"
    python = python_of("ours" if library == OURS else library)
    command = [python, "-m", module, source, target, RECIPE, seed, seconds]
    subprocess.run(
        list(map(str, command)),
        cwd=HERE.parent,
        env=os.environ | {"STARTED": str(time.time())},
        check=True,
    )
    found = np.load(target)
    numbers = {key: float(found[key]) for key in ("validation", "reached", "epochs")}
    return numbers | {"version": str(found["version"]), "limit": seconds}


def newest():
    """Return the newest line of each set and peer."""
    lines = map(json.loads, LINES.read_text().splitlines() if LINES.exists() else [])
    return {(line["set"], line["peer"]): line for line in lines}


def write_table():
    """Write the times and their ratio."""
    rows = []
    for (name, peer), line in sorted(newest().items()):
        theirs, ours = line["theirs"], line["ours"][-1]
        is_reached = ours["validation"] >= theirs["validation"]
        ratio = f"**{theirs['reached'] / ours['reached']:.1f}**" if is_reached else "not reached"
        cells = [name, f"{line['rows']} × {line['dim']}", f"{peer} {theirs['version']}"]
        cells += [f"{run['validation']:.3f}, {run['reached']:.1f} s" for run in (theirs, ours)]
        rows.append("| " + " | ".join([*cells, str(len(line["ours"])), ratio]) + " |")
    out = [
        "From a fresh process until the peer's best validation nats (z-scores, higher is better):",
        "seconds of both, imports and compilation included; the limits that were tried for ours.",
        "",
        "| set | rows | peer | theirs | ours | limits | ratio |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())
