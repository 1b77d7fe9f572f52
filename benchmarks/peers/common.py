"""What every adapter does: read rows, fit, score test rows, write the result.

An adapter runs as a script in its own environment: python ADAPTER IN.npz OUT.npz SEED. It sees
`train` and `validation` rows to learn and choose with, and `test` rows to score, nothing else.
"""

import sys
import time

import numpy as np


def standardized(rows, train):
    """Return rows on the train rows' z-scores, and the log of the scales."""
    mean, sd = train.mean(0), train.std(0)
    return (rows - mean) / sd, float(np.log(sd).sum())


def run(fit_and_score):
    """Run `fit_and_score(train, validation, test, seed) -> (log_prob in original units, info)`."""
    source, target, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = np.load(source)
    began = time.perf_counter()
    log_prob, versions = fit_and_score(data["train"], data["validation"], data["test"], seed)
    np.savez(
        target,
        log_prob=np.asarray(log_prob, np.float64),
        seconds=time.perf_counter() - began,
        versions=versions,
    )
