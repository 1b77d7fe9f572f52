"""Gaussian mixture (scikit-learn), full covariances, number of components by validation rows."""

import warnings

import sklearn
from common import run, standardized
from sklearn.mixture import GaussianMixture


def fit_and_score(train, validation, test, seed):
    warnings.simplefilter("ignore")
    (x, log_scale), (v, _) = standardized(train, train), standardized(validation, train)
    t, _ = standardized(test, train)
    sizes = [k for k in (1, 2, 3, 5, 8, 12, 20, 30, 60) if k * x.shape[1] < len(x)]
    fits = [GaussianMixture(k, random_state=seed, max_iter=200).fit(x) for k in sizes]
    best = max(fits, key=lambda fit: fit.score(v))
    return best.score_samples(t) - log_scale, sklearn.__version__


run(fit_and_score)
