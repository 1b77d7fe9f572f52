"""Laws of every density: its mass is one, and its samples are its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

ROWS = 20_000

LARGEST_ERROR, MOST_PIECES = 0.2, 30
"""Relative error that a mass is found with, and times `ROWS` samples that it may take."""


@jax.jit
def log_prob(density, rows, context):
    return density.log_prob(rows, context)


@functools.partial(jax.jit, static_argnums=2)
def sample(density, key, n, context):
    return density.sample(key, n, context)


def mass_is_one(case, density, rng):
    """Quadrature over the line or the plane gives one, within 1e-3 and 4 s.e. of the quadrature."""
    context = _one_context(case, rng)
    masses, variances, _, _ = _quadrature(case, density, context, rng)
    mass, error = masses.sum(), np.sqrt(variances.sum())
    assert error < 0.02
    assert abs(mass - 1) < 1e-3 + 4 * error, (mass, error)


def infinity_is_impossible(case, density, rng):
    """A row with an infinite value has −inf, beside others as they were; one with NaN has NaN."""
    context = _one_context(case, rng)
    x = sample(density, jax.random.key(int(rng.integers(2**31))), 4, context)
    spoiled = x.at[0, 0].set(jnp.inf).at[1, -1].set(-jnp.inf).at[2, 0].set(jnp.nan)
    log_p = np.asarray(log_prob(density, spoiled, context))
    np.testing.assert_array_equal(log_p[:3], [-np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(log_p[3], log_prob(density, x, context)[3])


def samples_have_the_density(case, density, rng):
    """E_model[r(x)/p(x)] = 1 for a known density r inside the support, within 4 s.e.

    A false alarm in 16,000 runs. r is uniform on a parallelotope among the model's own samples,
    that of many whose ratio varies least: Var r/p < E_r[r/p], from draws of r itself. Where no
    region is even, more samples make the error small.
    """
    context = _one_context(case, rng)
    key, apart_key = jax.random.split(jax.random.key(int(rng.integers(2**31))))
    apart = np.asarray(sample(density, apart_key, ROWS, context))
    centres, edges = _boxes(apart)
    u = rng.uniform(-1, 1, (len(centres), ROWS // len(centres), case.dim))
    draws = centres[:, None] + np.einsum("bij,bnj->bni", edges, u)
    log_p = np.asarray(log_prob(density, draws.reshape(-1, case.dim), context))
    log_r = -np.linalg.slogdet(2 * edges)[1]
    with np.errstate(over="ignore"):  # a box over a void: not chosen
        variance = np.exp(log_r[:, None] - log_p.reshape(len(centres), -1)).mean(1)
    reach, (lower, upper) = np.abs(edges).sum(2), case.edges
    contained = ((centres - reach > lower) & (centres + reach < upper)).all(1)
    k = np.argmin(np.where(contained, variance, np.inf))
    pieces = min(MOST_PIECES, int(np.ceil(variance[k] / (LARGEST_ERROR**2 * ROWS))))
    total = 0.0
    for piece_key in jax.random.split(key, pieces):
        x = np.asarray(sample(density, piece_key, ROWS, context))
        inside = (np.abs(np.linalg.solve(edges[k], (x - centres[k]).T)) < 1).all(0)
        log_p = np.asarray(log_prob(density, x, context))
        total += np.exp(np.where(inside, log_r[k] - log_p, -np.inf)).mean()
    error = np.sqrt(variance[k] / (pieces * ROWS))
    assert error <= LARGEST_ERROR
    assert abs(total / pieces - 1) < 4 * error, (total / pieces, error)


def _boxes(x, n_centres=20, shares=(20, 50, 100, 500)):
    """Return parallelotopes {centre + E u, |u| ≤ 1} among samples: their centres and edges E.

    Each has the mean and covariance of such a share of the samples, the nearest to one of them:
    where these are even in a box it is that box, and it leans as they do.
    """
    boxes, widths = [], np.subtract(*np.quantile(x, [0.75, 0.25], axis=0))
    for centre in x[:n_centres]:
        order = np.argsort((np.abs(x - centre) / widths).max(1))
        for share in shares:
            near = x[order[: len(x) // share]]
            covariance = np.atleast_2d(np.cov(near.T))
            boxes.append((near.mean(0), np.sqrt(3) * np.linalg.cholesky(covariance)))
    return tuple(np.array(parts) for parts in zip(*boxes, strict=True))


def samples_fill_bins(case, density, rng):
    """Bin frequencies agree with quadrature: chi-square at level 1e-5 (4.3 s.e.)."""
    n = ROWS
    context = _one_context(case, rng)
    key = jax.random.key(int(rng.integers(2**31)))
    x = np.asarray(sample(density, key, n, context))
    masses, variances, nodes, edges = _quadrature(case, density, context, rng)
    codes, bins = _codes(nodes, edges), 8**case.dim
    expected = n * np.bincount(codes, masses, bins)
    variance = expected + n**2 * np.bincount(codes, variances, bins)
    observed = np.bincount(_codes(x, edges), minlength=bins)
    few = expected < 10  # pooled into one bin, since chi-square asks for counts
    expected, observed, variance = (
        np.r_[v[~few], v[few].sum()] for v in (expected, observed, variance)
    )
    statistic = ((observed - expected) ** 2 / (variance + 0.1)).sum()
    assert stats.chi2.sf(statistic, len(expected) - 1) > 1e-5, statistic


def outside_has_no_mass(case, density, rng):
    """Beyond the support log p is −inf; on its edge it is not NaN."""
    context = _one_context(case, rng)
    x = rng.uniform(case.low, case.high, (3, case.dim))
    lower, upper = case.edges
    for edge, side in ((lower, -1.0), (upper, 1.0)):
        for j in np.flatnonzero(np.isfinite(edge)):
            for step in (0.0, 1e-3, 1.0, 1e30):
                moved = x.copy()
                moved[1, j] = edge[j] + side * step
                value = np.asarray(log_prob(density, moved, context))
                assert np.isfinite(value[[0, 2]]).all()
                assert value[1] == -np.inf if step else not np.isnan(value[1])


def _one_context(case, rng):
    return jnp.asarray(rng.standard_normal(case.context_dim)) if case.context_dim else None


def _quadrature(case, density, context, rng):
    """Return the masses of cells and their variances, a random row of each, 8 bins' inner edges.

    Rows in the middle of cells would all be on one side of a jump that runs along the cells. A
    variance is half a squared difference of neighbours, which counts slopes as noise too.
    """
    drawn = np.asarray(sample(density, jax.random.key(1), ROWS, context))
    inner = np.quantile(drawn, np.linspace(0, 1, 9)[1:-1], axis=0)
    lower, sides = [], []
    for j in range(case.dim):
        edges = _edges(drawn[:, j], case.edges[:, j], 4000 if case.dim == 1 else 600)
        edges = np.union1d(edges, inner[:, j])  # so that no cell belongs to two bins
        lower.append(edges[:-1])
        sides.append(np.diff(edges))
    corners, widths = (
        np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], -1)
        for axes in (lower, sides)
    )
    nodes = corners + widths * rng.random(widths.shape)
    masses = np.exp(np.asarray(log_prob(density, nodes, context))) * widths.prod(1)
    return masses, np.diff(masses, append=0) ** 2 / 2, nodes, inner


def _edges(drawn, support, side):
    """Return cell edges: fine where samples are, far out in the tails, inside the support."""
    low, high = support
    if np.isfinite(low) and np.isfinite(high):
        return np.linspace(low, high, side + 1)
    first, middle, third = np.quantile(drawn, [0.25, 0.5, 0.75])  # one far draw moves none of them
    width, reach = third - first, 4 * np.ptp(drawn)
    least, most = drawn.min() - reach, drawn.max() + reach
    if np.isfinite(low):
        middle, width, least = low, first - low, low
    scale = width / 4 + 1e-3
    turns = np.arcsinh((np.array([least, most]) - middle) / scale)
    return middle + scale * np.sinh(np.linspace(*turns, side + 1))


def _codes(x, inner):
    code = np.zeros(len(x), int)
    for j in range(inner.shape[1]):
        code = code * 8 + np.searchsorted(inner[:, j], x[:, j])
    return code
