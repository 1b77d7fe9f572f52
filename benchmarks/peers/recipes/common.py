"""What every adapter of the recipes does, and how every peer learns.

An adapter runs as a module in its library's environment:
python -m benchmarks.peers.recipes.ADAPTER IN.npz OUT.npz RECIPE SEED SECONDS. It sees `train` and
`validation` rows to learn and choose with, and `test` rows to score, all on z-scores.
"""

import os
import sys
import time

import numpy as np

RATE, BATCH, CLIP, PATIENCE = 1e-3, 256, 5.0, 20
"""Adam's step, rows in a batch at most, the longest gradient, epochs to wait for a better one."""


def since_start():
    """Return the seconds since the process was started, where that is known."""
    return time.time() - float(os.environ.get("STARTED", "nan"))


def main(learn, recipes, absent, version):
    """Fit one recipe and write what `learn(build, train, validation, test, seed, seconds)` says.

    `absent` names the recipes that the library does not have, and why.
    """
    source, target, recipe, seed, seconds = sys.argv[1:]
    if recipe in absent:
        np.savez(target, absent=absent[recipe])
        return
    data = np.load(source)
    rows = (data[part].astype(np.float32) for part in ("train", "validation", "test"))
    np.savez(target, version=version, **learn(recipes[recipe], *rows, int(seed), float(seconds)))


def best_epoch(n_rows, step, score, snapshot, seed, began, seconds):
    """Learn until patience or time is out; return the best snapshot and how it went.

    `step(rows)` learns from the rows of these numbers, `score()` is the mean validation
    log-density, `snapshot()` the parameters. The time, which counts from `began`, may be out in
    the middle of an epoch: that part of an epoch is judged like a whole one.
    """
    rng = np.random.default_rng(seed)
    n_batches = -(-n_rows // BATCH)
    size = n_rows // n_batches
    best, best_score, best_at, epochs, stopped_by = snapshot(), -np.inf, 0, 0, ""
    reached = since_start()
    while not stopped_by:
        for rows in rng.permutation(n_rows)[: size * n_batches].reshape(n_batches, size):
            step(rows)
            if time.perf_counter() - began >= seconds:
                stopped_by = "max_time"
                break
        epochs += 1
        now = score()
        if now > best_score:
            best, best_score, best_at, reached = snapshot(), now, epochs, since_start()
        elif epochs - best_at >= PATIENCE and not stopped_by:
            stopped_by = "patience"
    took = time.perf_counter() - began
    about = {"epochs": epochs, "stopped_by": stopped_by, "seconds": took}
    return best, about | {"validation": best_score, "reached": reached}
