"""pushforward's recipes and `fit`, with the defaults of both."""

import time
from functools import partial

import jax
import numpy as np

import pushforward as pf
from benchmarks.peers.recipes.common import main, since_start

NAMES = ("nice", "realnvp", "maf", "nsf", "naf", "umnn", "bnaf")
RECIPES = {name: partial(pf.models.build, name) for name in NAMES}
RECIPES["nsf_coupling"] = partial(pf.models.build, "nsf", coupling=True)
PART = 2000


def learn(build, train, validation, test, seed, seconds, perturb=None, max_epochs=None):
    """Fit a model and return the scores of the test rows."""
    began = time.perf_counter()
    build_key, fit_key = jax.random.split(jax.random.key(seed))
    model = build(train.shape[1], key=build_key)
    left = seconds - (time.perf_counter() - began)
    fitted = pf.fit(
        model,
        train,
        key=fit_key,
        validation=validation,
        max_time=left,
        perturb=perturb,
        max_epochs=max_epochs,
    )
    took, reached = time.perf_counter() - began, since_start()
    parts = [test[i : i + PART] for i in range(0, len(test), PART)]
    return {
        "log_prob": np.concatenate([np.asarray(fitted.model.log_prob(part)) for part in parts]),
        "parameters": pf.core.count_parameters(model),
        "epochs": len(fitted.history["epoch"]),
        "stopped_by": fitted.stopped_by,
        "seconds": took,
        "validation": -min(fitted.history["validation"]),
        "reached": reached,
    }


if __name__ == "__main__":
    main(learn, RECIPES, {}, pf.__version__)
