"""What every adapter of the speed benchmark does: build a flow, then do works on command.

An adapter runs as a module in its library's environment:
python -m benchmarks.peers.speed.ADAPTER RECIPE DIM SEED [OPTIONS as JSON]. It writes a JSON line
when the flow is built. For each line "WORK ROWS CALLS" that it then reads it does that work (train,
log_prob or sample) on so many rows so many times, waits for the last, and writes the seconds.
"""

import json
import sys
import time
from functools import lru_cache, partial

import numpy as np

RATE = 1e-4


def serve(recipes, version, prepare):
    """Answer until standard input ends.

    `prepare(build, dim, seed)` returns the number of free parameters and a function
    `(work, rows, calls)` that does a work so many times, to the end of the last.
    """
    recipe, dim, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    parameters, work = prepare(partial(recipes[recipe], **options), dim, seed)
    tell({"version": version, "parameters": parameters})
    for line in sys.stdin:
        name, n, calls = line.split()
        rows = rows_of(int(n), dim, seed)
        began = time.perf_counter()
        work(name, rows, int(calls))
        tell({"seconds": time.perf_counter() - began})


@lru_cache(4)
def rows_of(n, dim, seed):
    """Return rows of standard normal numbers."""
    return np.random.default_rng(seed).standard_normal((n, dim), np.float32)


def tell(message):
    """Write one JSON line."""
    print(json.dumps(message), flush=True)
