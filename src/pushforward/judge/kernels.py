"""The law of known rows seen through Gaussian noise: a Gaussian kernel on each."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.numerics import LOG_2PI
from pushforward.tables.blocks import in_blocks

MAX_KERNELS = 8000
"""Rows that carry a kernel at most: a score visits them all."""

_SAME = 1e-6
"""Square distance, over the rows' squares, below which float32 cannot tell two rows apart."""

Rows = Float[np.ndarray, "n dim"]


class Kernels(eqx.Module):
    r"""Return the log-density of the known rows plus noise, at several levels of it.

    log p_σ(x) = log Σ_i w_i N(x; x_i, σ²),   σ = finest · 2^k,   k = 0 … levels − 1

    without one kernel that stands on x itself: a learning row is scored by the others.

    Parameters
    ----------
    rows, weights : x_i and w_i, which sum to one.
    finest, levels : the least noise, and the number of levels; each is twice the one before.

    Cost: one distance and 2 · levels products for each pair of rows. Source silverman1986
    """

    rows: np.ndarray
    weights: np.ndarray
    finest: float = eqx.field(static=True)
    levels: int = eqx.field(static=True)

    def log_prob(self, x: Rows, beside: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n levels"]:
        """Return log p_σ; `beside` adds to a row's squared distance from all known ones."""
        return in_blocks(_log_prob, self, np.concatenate([x, beside[:, None]], 1))


def _log_prob(kernels: Kernels, x: Array) -> Array:
    x, beside = x[:, :-1], x[:, -1]
    rows, weights = jnp.asarray(kernels.rows, x.dtype), jnp.asarray(kernels.weights, x.dtype)
    sizes = (rows**2).sum(1) + (x**2).sum(1)[:, None]
    squares = sizes - 2 * x @ rows.T
    own = squares.argmin(1)[:, None] == jnp.arange(len(rows))
    squares = jnp.where(own & (squares <= _SAME * sizes), jnp.inf, squares)
    nearest = jnp.maximum(squares.min(1, keepdims=True), 0.0)
    widest = kernels.finest * 2.0 ** (kernels.levels - 1)
    # Half the noise is four times the exponent: powers of one exponential serve all levels.
    power = jnp.exp(jnp.minimum(nearest - squares, 0.0) / (2 * widest**2))
    found = []
    for k in reversed(range(kernels.levels)):
        level = kernels.finest * 2.0**k
        constant = 0.5 * x.shape[1] * (LOG_2PI + 2 * np.log(level))
        distance = (nearest[:, 0] + beside) / (2 * level**2)
        found.append(jnp.log(power @ weights) - distance - constant)
        power = jnp.square(jnp.square(power))
    return jnp.stack(found[::-1], 1)


def fit_kernels(
    rows: Rows, weights: Float[np.ndarray, " n"], finest: float, levels: int, seed: int
) -> Kernels:
    """Put a kernel on each row, or on `MAX_KERNELS` of them."""
    if len(rows) > MAX_KERNELS:
        chosen = np.random.default_rng(seed).choice(len(rows), MAX_KERNELS, replace=False)
        rows, weights = rows[chosen], weights[chosen]
    return Kernels(rows, weights / weights.sum(), finest, levels)
