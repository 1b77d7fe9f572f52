"""Where the time goes of the cells that are farthest from what the machine allows.

python -m benchmarks speed profile [--cells 3]

The cells of ours with the largest achieved / least in `limits`, by JAX's profiler: core-time of
what XLA runs, by kind, in shares of the call's time on all cores. What is left is waiting: steps
that one core takes alone, and starting them.
"""

import argparse
import collections
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

import jax

from benchmarks.speed import cells, limits
from benchmarks.speed.environments import HERE

TABLE = HERE / "results" / "speed_profile.md"
KINDS = {
    "native layers": r"^custom-call|^ffi_call|Pushforward",
    "matrix products": r"^dot|^ynn|_dot_|^xnn",
    "random numbers": r"rng|threefry|bits|shift",
    "moving (copies, slices, orders)": r"^copy|slice|gather|scatter|transpose|concatenate|pad",
    "sorting": r"^sort",
    "elementwise": r".",
}
NOT_WORK = re.compile(r"^(end: |Thunk|ThreadpoolListener|while|call|conditional|.*Await|H2D|D2H)")
"""Events that hold others, or tell of waiting."""


def main(arguments):
    """Profile the farthest cells and write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks speed profile", description=__doc__)
    parser.add_argument("--cells", type=int, default=3)
    options = parser.parse_args(arguments)
    found = []
    for cell, line in limits.newest().items():
        took, least = limits.achieved(line)
        found.append((took / sum(least), *cell))
    out = [
        "Core-time by kind, in percent of the call's time on all cores (jax.profiler), of the",
        "cells that are farthest from what the machine allows.",
        "",
        "| flow | columns | work | achieved / least | ms a call | where |",
        "|---|---|---|---|---|---|",
    ]
    for ratio, recipe, dim, work in sorted(found, reverse=True)[: options.cells]:
        took, shares = profile(recipe, dim, work)
        where = ", ".join(f"{kind} {100 * share:.0f}" for kind, share in shares)
        out.append(f"| {recipe} | {dim} | {work} | {ratio:.1f} | {1e3 * took:.3g} | {where} |")
    TABLE.write_text("\n".join(out) + "\n")
    print(TABLE.read_text())


def profile(recipe, dim, work, calls=20):
    """Return the seconds of a call and the share of each kind of event, largest first."""
    from benchmarks.peers.speed import ours
    from benchmarks.peers.speed.common import rows_of

    kind, n = cells.WORKS[work]
    rows = rows_of(n, dim, 0)
    _, run = ours.prepare(ours.RECIPES[recipe], dim, 0)
    run(kind, rows, calls)
    turns = []
    for _ in range(5):
        began = time.perf_counter()
        run(kind, rows, calls)
        turns.append((time.perf_counter() - began) / calls)
    took = statistics.median(turns)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run(kind, rows, calls)
        trace = next(Path(folder).rglob("*.xplane.pb"))
        seconds = collections.Counter()
        for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
            for line in plane.lines if "CPU" in plane.name else []:
                for event in line.events if "python" not in line.name else []:
                    if not NOT_WORK.search(event.name):
                        seconds[_kind(event.name)] += event.duration_ns * 1e-9
    whole = took * calls * len(os.sched_getaffinity(0))
    seconds["waiting"] = max(0.0, whole - sum(seconds.values()))
    return took, [(kind, part / whole) for kind, part in seconds.most_common()]


def _kind(name):
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))
