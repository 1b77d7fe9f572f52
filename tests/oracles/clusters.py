"""A mixture of correlated normals whose means and weights follow a context; log p is known."""

import numpy as np
from scipy.special import log_softmax, logsumexp


class Clusters:
    """Three normals in `dim` dimensions: x | k, c ~ N(mean_k + B_k c, L_k L_kᵀ)."""

    def __init__(self, rng, dim, context_dim):
        self.means = rng.normal(0, 1.5, (3, dim))
        self.slopes = rng.normal(0, 0.5, (3, dim, context_dim))
        self.gates = rng.normal(0, 0.7, (3, context_dim))
        lower = np.tril(rng.normal(0, 0.2, (3, dim, dim)), -1)
        self.factors = lower + 0.5 * np.eye(dim)

    def contexts(self, rng, n):
        return rng.standard_normal((n, self.gates.shape[1]))

    def sample(self, rng, context):
        share = np.exp(log_softmax(context @ self.gates.T, axis=1))
        k = (rng.random((len(share), 1)) > share.cumsum(1)[:, :2]).sum(1)
        noise = rng.standard_normal((len(k), self.means.shape[1]))
        moved = np.einsum("nij,nj->ni", self.slopes[k], context)
        return self.means[k] + moved + np.einsum("nij,nj->ni", self.factors[k], noise)

    def log_prob(self, x, context):
        parts = []
        for mean, slope, factor in zip(self.means, self.slopes, self.factors, strict=True):
            z = np.linalg.solve(factor, (x - mean - context @ slope.T).T)
            log_det = np.log(np.diag(factor)).sum()
            parts.append(-0.5 * (z**2 + np.log(2 * np.pi)).sum(0) - log_det)
        return logsumexp(np.stack(parts, 1) + log_softmax(context @ self.gates.T, axis=1), axis=1)
