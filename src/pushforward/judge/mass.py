"""Whether a density has mass one: its own draws against those of a known law, both ways."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from pushforward.core.bases import Density
from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.tables.blocks import in_blocks
from pushforward.tables.density import TableDensity

SAMPLES, LEAST = 20_000, 1_000
"""Draws of the model, and those of the commonest codes that are needed."""

_COMPONENTS = 8
"""Of the known law."""


def mass_of_values(
    model: TableDensity, context: Float[Array, " k"] | None, seed: int
) -> tuple[float, float] | None:
    r"""Return the mass of p(values | the commonest codes), and its standard error.

    E_r[p / (p + r)] / E_q[r / (p + r)],  q the law of the model's draws and r a known law near it,
    which is ∫p where p is a multiple of q. Both means are of numbers between zero and one: however
    far apart the laws are, the error says how little is known. NaN where a draw is not finite or
    has no log-density; none where no set of codes has draws enough.

    Source meng1996bridge
    """
    drawn = np.asarray(model.density.sample(jax.random.key(seed), SAMPLES, context), np.float64)
    if not np.isfinite(drawn).all():
        return np.nan, np.nan
    n_codes = len(model.schema.coded)
    patterns, which = np.unique(drawn[:, :n_codes], axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), minlength=len(patterns))
    drawn = drawn[which.ravel() == counts.argmax()]
    there = [
        j for j, place in enumerate(model.schema.presence) if place < 0 or drawn[0, place] == 0
    ]
    if len(drawn) < LEAST or not there:
        return None
    places, edges = n_codes + np.array(there), model.schema.edges()[there]
    learn, own = np.array_split(drawn, 2)
    free = _freed(learn[:, places], edges)
    scale = free.std(0) + 1e-12
    known = GaussianMixture(min(_COMPONENTS, len(learn) // 100), random_state=seed, reg_covar=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        known.fit(free / scale)
    other = np.repeat(own[:1], len(own), 0)
    other[:, places] = _bounded(known.sample(len(own))[0] * scale, edges)
    means, errors = [], []
    for events, sign in ((other, 1), (own, -1)):
        u = events[:, places]
        log_r = known.score_samples(_freed(u, edges) / scale) - np.log(scale).sum()
        gap = sign * (
            _values_log_prob(model.density, events, context) - log_r - _log_slope(u, edges)
        )
        if np.isnan(gap).any():
            return np.nan, np.nan
        shares = expit(gap)
        means.append(shares.mean())
        errors.append(shares.std() / np.sqrt(len(shares)))
    if not min(means) > 0:
        return np.inf, np.inf
    mass = means[0] / means[1]
    return float(mass), float(mass * np.hypot(errors[0] / means[0], errors[1] / means[1]))


def members_of(density: Density) -> tuple[Density, ...]:
    """Return the members of a mixture; a density alone is its only one."""
    return density.components if isinstance(density, Mixture) else (density,)


def _freed(u: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return columns without their bounds, by logarithms."""
    free = u.copy()
    for j, (low, high) in enumerate(edges):
        if np.isfinite(low) and np.isfinite(high):
            free[:, j] = np.log((u[:, j] - low) / (high - u[:, j]))
        elif np.isfinite(low) or np.isfinite(high):
            free[:, j] = np.log(u[:, j] - low if np.isfinite(low) else high - u[:, j])
    return free


def _bounded(free: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the columns that `_freed` has freed."""
    u = free.copy()
    for j, (low, high) in enumerate(edges):
        if np.isfinite(low) and np.isfinite(high):
            u[:, j] = low + (high - low) * expit(free[:, j])
        elif np.isfinite(low):
            u[:, j] = low + np.exp(free[:, j])
        elif np.isfinite(high):
            u[:, j] = high - np.exp(free[:, j])
    return u


def _log_slope(u: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the log of a row's slope of `_freed`."""
    total = np.zeros(len(u))
    for j, (low, high) in enumerate(edges):
        if np.isfinite(low):
            total -= np.log(u[:, j] - low)
        if np.isfinite(high):
            total -= np.log(high - u[:, j])
        if np.isfinite(low) and np.isfinite(high):
            total += np.log(high - low)
    return total


def _values_log_prob(
    density: Density, events: np.ndarray, context: Float[Array, " k"] | None
) -> np.ndarray:
    """Return the log-density of rows' values given their codes."""
    given = np.zeros((1, 0)) if context is None else np.asarray(context, float)[None]
    return in_blocks(_given_codes, density, events, np.repeat(given, len(events), 0))


def _given_codes(density: Density, events: Array, context: Array | None = None) -> Array:
    """Return the log-density of values given the codes."""
    members = members_of(density)
    total = density.log_prob(events, context)
    if not isinstance(members[0], Mixed):
        return total
    weights = density.logits if isinstance(density, Mixture) else jnp.zeros(1)
    masses = [
        member.codes.log_prob(events[:, : member.codes.dim], context)
        for member in members
        if isinstance(member, Mixed)
    ]
    log_weights = jax.nn.log_softmax(weights)[:, None]
    return total - jax.nn.logsumexp(jnp.stack(masses) + log_weights, axis=0)
