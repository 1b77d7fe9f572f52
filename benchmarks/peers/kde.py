"""Kernel density (scikit-learn), Gaussian kernels, bandwidth by validation rows."""

import numpy as np
import sklearn
from common import run, standardized
from sklearn.neighbors import KernelDensity

MAX_ROWS = 8000


def fit_and_score(train, validation, test, seed):
    (x, log_scale), (v, _) = standardized(train, train), standardized(validation, train)
    t, _ = standardized(test, train)
    x = x[np.random.default_rng(seed).permutation(len(x))[:MAX_ROWS]]
    v = v[:2000]
    fits = [KernelDensity(bandwidth=h).fit(x) for h in np.geomspace(0.03, 1.0, 12)]
    best = max(fits, key=lambda fit: fit.score(v))
    return best.score_samples(t) - log_scale, sklearn.__version__


run(fit_and_score)
