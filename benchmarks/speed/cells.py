"""Each library's own flows on the same work: medians of ratios of times taken in turn.

python -m benchmarks speed cells [--recipes nsf] [--dims 8,43] [--libraries ours,flowjax]
    measures the cells that are missing; --again all that are named; --table only writes the table.

Five layers, nets of 64 × 64, eight bins, float32, as many threads each. In a round every library
gets a fresh process; they work in turn, one at a time, while the others wait. "plain" is ours
without native code. A ratio is a peer's time over ours in the same turn. First calls are apart:
they compile, where a library does that.
"""

import argparse
import json
import os
import statistics
import time
from contextlib import ExitStack

from benchmarks.speed.environments import HERE, OWN, PEERS
from benchmarks.speed.machine import machine
from benchmarks.speed.worker import Worker, calls_for

LINES = HERE / "results" / "speed_cells.jsonl"
TABLE = HERE / "results" / "speed_cells.md"
RECIPES = ("maf", "nsf", "nsf_coupling")
DIMS = (2, 8, 21, 43, 63)
WORKS = {
    "train_512": ("train", 512),
    "train_4096": ("train", 4096),
    "log_prob": ("log_prob", 20_000),
    "sample": ("sample", 20_000),
}
"""Works and their rows; a training step is a gradient and Adam's update."""
LIBRARIES = (*OWN, *PEERS)

LONG = 5.0
"""Seconds of a first call from which a work is done once or twice and no oftener."""


def main(arguments):
    """Measure the missing cells, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks speed cells", description=__doc__)
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--dims", default=",".join(map(str, DIMS)))
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--libraries", default=",".join(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure again what is there")
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    known, libraries = newest(), options.libraries.split(",")
    for recipe in [] if options.table else options.recipes.split(","):
        for dim in map(int, options.dims.split(",")):
            cells = [(recipe, dim, w, lib) for w in options.works.split(",") for lib in libraries]
            if options.again or any(cell not in known for cell in cells):
                measure(recipe, dim, options)
    write_table()


def measure(recipe, dim, options):
    """Measure one flow's works in every library and append a line for each."""
    lines, run = {}, round(time.time())
    for turn in range(options.rounds):
        with ExitStack() as stack:
            workers = {
                library: stack.enter_context(
                    Worker(library, recipe, dim, options.seed, options.threads)
                )
                for library in options.libraries.split(",")
            }
            for work in options.works.split(","):
                cells = {library: (work, library) for library in workers}
                short = {
                    library: worker
                    for library, worker in workers.items()
                    if lines.get(cells[library], {"first": [0.0]})["first"][0] <= LONG
                }
                for library, (first, turns) in in_turn(short, work, options.turns, turn).items():
                    line = lines.setdefault(cells[library], {"first": [], "turns": []})
                    line["first"].append(first)
                    line["turns"].append(turns)
                    line |= workers[library].about
    for (work, library), line in lines.items():
        line |= {"recipe": recipe, "dim": dim, "work": work, "library": library, "run": run}
        line |= {"seed": options.seed, "threads": options.threads, **machine()}
        print(json.dumps(line), flush=True)
        with LINES.open("a") as file:
            file.write(json.dumps(line) + "\n")


def in_turn(workers, work, turns, shift):
    """Return per library the seconds of the first call, and of one call in each turn."""
    found, calls = {}, {}
    for name, worker in workers.items():
        first = worker.seconds(*WORKS[work])
        again = first if first > 5 * LONG else worker.seconds(*WORKS[work])
        found[name] = first, [again] if first > LONG else []
        if first <= LONG:
            calls[name] = calls_for(again)
    names = list(calls)
    for turn in range(turns):
        at = (shift + turn) % max(1, len(names))
        for name in names[at:] + names[:at]:
            took = workers[name].seconds(*WORKS[work], calls[name])
            found[name][1].append(took / calls[name])
    return found


def newest():
    """Return the newest line of each recipe, size, work and library."""
    lines = map(json.loads, LINES.read_text().splitlines() if LINES.exists() else [])
    return {(line["recipe"], line["dim"], line["work"], line["library"]): line for line in lines}


def ratios(ours, other):
    """Return another library's times over ours, turn by turn where both ran in one."""
    pairs = [
        theirs / own
        for mine, others in zip(ours["turns"], other["turns"], strict=False)
        for own, theirs in zip(mine, others, strict=False)
        if ours["run"] == other["run"] and len(mine) == len(others)
    ]
    return pairs or [seconds(other) / seconds(ours)]


def seconds(line):
    """Return the median seconds of a call."""
    return statistics.median(s for turns in line["turns"] for s in turns)


def write_table():
    """Write times and ratios to the best peer."""
    known, rows = newest(), []
    for recipe in RECIPES:
        for dim in DIMS:
            for work in WORKS:
                cell = {lib: known.get((recipe, dim, work, lib)) for lib in LIBRARIES}
                if cell["ours"] is None:
                    continue
                there = {lib: line for lib, line in cell.items() if line is not None}
                row = [recipe, str(dim), work, *_times(there)]
                rows.append([*row, *(part for own in OWN for part in _best(there, own))])
    versions = {line["library"]: line["version"] for line in known.values()}
    sizes = [
        f"{recipe}, {dim} columns: "
        + ", ".join(
            f"{lib} {line['parameters']:,}"
            for lib in LIBRARIES
            if (line := known.get((recipe, dim, "log_prob", lib)))
        )
        for recipe in RECIPES
        for dim in DIMS
        if (recipe, dim, "log_prob", "ours") in known
    ]
    out = [
        "Milliseconds of a call, medians; the first call's seconds in brackets. Ratio: the best",
        "peer's time over ours, the median of pairs (and its quartiles); of the first call:",
        'flowjax\'s time over ours. "plain": ours without native code.',
        "Versions: " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) + ".",
        "",
        "| flow | columns | work | "
        + " | ".join([*LIBRARIES, *(f"{own}: ratio | first call" for own in OWN)])
        + " |",
        "|" + "---|" * (len(LIBRARIES) + 3 + 2 * len(OWN)),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "Free parameters:",
        *(f"- {line}" for line in sizes),
    ]
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def _times(cell):
    return [
        f"{1e3 * seconds(cell[lib]):.3g} ({statistics.median(cell[lib]['first']):.2g})"
        if lib in cell
        else ""
        for lib in LIBRARIES
    ]


def _best(cell, own):
    """Return the ratio of the best peer to one of ours, and that of first calls to flowjax's."""
    peers = {lib: line for lib, line in cell.items() if lib not in OWN}
    if not peers or own not in cell:
        return ["", ""]
    best = min(peers, key=lambda lib: seconds(peers[lib]))
    pairs = ratios(cell[own], peers[best])
    low, middle, high = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0],) * 3
    first = ""
    if "flowjax" in peers:
        theirs, mine = (statistics.median(cell[lib]["first"]) for lib in ("flowjax", own))
        first = f"{theirs / mine:.2f}"
    return [f"**{middle:.2f}** ({low:.2f} to {high:.2f}; {best})", first]
