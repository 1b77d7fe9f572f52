"""Rows of which some cells are unknown: weighted candidates for these, from a fitted joint law."""

import dataclasses
import zlib
from collections.abc import Iterator

import jax
import numpy as np
import scipy.stats
from jaxtyping import Array, Bool, Float
from scipy.special import logsumexp

from pushforward.core.bases import Density
from pushforward.core.errors import DataError
from pushforward.core.programs import compiled
from pushforward.tables.blocks import in_blocks
from pushforward.tables.density import TableDensity, event_rows
from pushforward.tables.schema import Schema

CANDIDATES = 256
"""Candidates a row."""

_POOL = 8192
"""Rows drawn from the law, by which candidates are proposed."""

_NODES, _REACH = 129, 3.5
"""Quantiles of a column that turn scores into values, and how far out they reach, in sd."""

_DEGREES = 5.0
"""Degrees of freedom of the scores' steps: tails heavier than a law's leave no weight unbounded."""

_MISMATCH, _ANY = 0.05, 0.1
"""Factor for a pool's row at each code that differs from a known one; share of codes at random."""

_RIDGE = 1e-3
"""Added to the scores' variances: flags of one column are linearly dependent."""

_ROWS = 64
"""Rows completed at once."""

_GRAIN = 2.0**12
"""Steps in a column's sd: to one, alike rows have like candidates; rounding changes none."""

Cells = Float[np.ndarray, "n columns"]
Unknown = Bool[np.ndarray, "n columns"]


@dataclasses.dataclass(frozen=True)
class Completions:
    """Hold candidates for the unknown cells of rows, and their importance weights.

    Parameters
    ----------
    values : whole rows, the known cells as they were.
    log_weights : log p(row) − log q(unknown cells), in nats and the table's units.
    listed : rows whose candidates are all that there are, each once: their sum is exact.
    """

    values: Float[np.ndarray, "n candidates columns"]
    log_weights: Float[np.ndarray, "n candidates"]
    listed: Bool[np.ndarray, " n"]

    def log_prob(self) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return the estimated log p(known cells) and its standard error."""
        k = self.log_weights.shape[1]
        value = np.asarray(logsumexp(self.log_weights, 1)) - np.log(k)
        with np.errstate(invalid="ignore"):
            share = np.exp(self.log_weights - value[:, None])
        error = share.std(1, ddof=1) / np.sqrt(k)
        return value, np.where(np.isfinite(value) & ~self.listed, error, 0.0)

    def effective(self) -> Float[np.ndarray, " n"]:
        """Return each row's effective number of candidates, (Σ w)²/Σ w²."""
        return np.exp(2 * logsumexp(self.log_weights, 1) - logsumexp(2 * self.log_weights, 1))

    def draws(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "rows draws columns"]:
        """Return n rows for each, candidates drawn by weight."""
        top = self.log_weights.max(1, keepdims=True)
        share = np.cumsum(np.exp(self.log_weights - top), 1)
        at = rng.random((len(share), n)) * share[:, -1:]
        chosen = np.stack([np.searchsorted(s, a, "right") for s, a in zip(share, at, strict=True)])
        return np.take_along_axis(self.values, chosen[:, :, None], 1)


def completions(
    model: TableDensity,
    values: Cells,
    unknown: Unknown,
    seed: int,
    *,
    there: bool = False,
    candidates: int = CANDIDATES,
) -> Iterator[Completions]:
    r"""Propose values of unknown cells and weigh them by the law, a few rows at a time.

    p(known) = E_q[p(known, unknown)/q(unknown | known)], by `CANDIDATES` draws of q: codes from
    rows of the law with like codes, values from the conditional of a Gaussian copula with
    Student-t steps, both learned from draws of the law itself. Where no value is unknown and the
    codes that can be are no more than the candidates, these are all of them, and the sum is exact.
    A row's candidates depend on its own cells and the seed, not on other rows.

    Parameters
    ----------
    there : unknown cells hold something; otherwise they may be missing, if the law says so.

    Cost: `candidates` evaluations of the law for each row. Source owen2013montecarlo
    """
    if not len(values):
        return
    proposal = _Proposal.of(model, seed)
    for first in range(0, len(values), _ROWS):
        part = slice(first, first + _ROWS)
        yield _completed(model, proposal, values[part], unknown[part], there, seed, candidates)


def drawn_completions(
    model: TableDensity,
    values: Cells,
    unknown: Unknown,
    n: int,
    seed: int,
    *,
    there: bool,
    candidates: int = CANDIDATES,
) -> Float[np.ndarray, "rows draws columns"]:
    """Draw n whole rows for each row of which some cells are unknown.

    Raises
    ------
    DataError : the known cells of a row are impossible under the law.
    """
    rng, found, first = np.random.default_rng([seed, 1]), [np.empty((0, n, values.shape[1]))], 0
    for part in completions(model, values, unknown, seed, there=there, candidates=candidates):
        lost = ~np.isfinite(part.log_weights.max(1))
        if lost.any():
            raise DataError(
                f"row {first + int(np.argmax(lost))}: known cells of probability zero",
                "cells that the model holds for possible",
                "leave out these rows, or the cells of theirs that cannot be",
            )
        found.append(part.draws(n, rng))
        first += len(lost)
    return np.concatenate(found)


def marginal_log_prob(
    model: TableDensity, values: Cells, seed: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return log p of rows' known cells, and its standard error: NaN is what is unknown.

    Rows without such are evaluated as they are.
    """
    unknown = unknown_cells(model.schema, values)
    some = unknown.any(1)
    value, error = np.zeros(len(values)), np.zeros(len(values))
    value[~some] = TableDensity.log_prob(model, values[~some])
    parts = [c.log_prob() for c in completions(model, values[some], unknown[some], seed)]
    if parts:
        value[some], error[some] = (np.concatenate(each) for each in zip(*parts, strict=True))
    return value, error


def unknown_cells(schema: Schema, values: Cells) -> Unknown:
    """Tell which cells are NaN where something could be."""
    could_be = np.array([column.kind != "constant" for column in schema.columns])
    return np.isnan(values) & could_be


@dataclasses.dataclass(frozen=True)
class _Proposal:
    """Hold what candidates are drawn by: a pool of codes, quantiles and moments of scores.

    Parameters
    ----------
    codes : codes of the pool's rows.
    nodes : per valued column the quantiles at the scores of `_grid`, increasing.
    mean, covariance : of the scores of values and the flags of codes.
    """

    codes: Float[np.ndarray, "pool c"]
    nodes: Float[np.ndarray, "v nodes"]
    mean: Float[np.ndarray, " f"]
    covariance: Float[np.ndarray, "f f"]

    @classmethod
    def of(cls, model: TableDensity, seed: int) -> "_Proposal":
        """Learn from draws of the law."""
        n_codes = len(model.schema.coded)
        key = jax.random.key(seed)
        drawn = np.asarray(_sample(model.density, key, _POOL), np.float64)
        codes, u = drawn[:, :n_codes], drawn[:, n_codes:]
        shares = scipy.stats.norm.cdf(_grid())
        nodes = np.empty((u.shape[1], _NODES))
        for j, place in enumerate(model.schema.presence):
            there = u[:, j] if place < 0 else u[codes[:, place] == 0, j]
            there = there if len(there) > 1 else np.array([-1.0, 1.0])
            step = max(float(there.std()), 1e-12) * 1e-3
            nodes[j] = np.quantile(there, shares) + step * _grid()
        bare = cls(codes, nodes, np.empty(0), np.empty((0, 0)))
        features = np.concatenate(
            [bare.scores(u) * _presence(model, codes), model.schema.flags(codes)], 1
        )
        covariance = np.cov(features.T).reshape(features.shape[1], -1)
        ridge = _RIDGE * np.eye(len(covariance))
        return dataclasses.replace(bare, mean=features.mean(0), covariance=covariance + ridge)

    def scores(self, u: np.ndarray) -> np.ndarray:
        """Return standardized values as scores, straight beyond the nodes."""
        found = np.empty_like(u)
        for j, nodes in enumerate(self.nodes):
            found[..., j] = _interpolated(u[..., j], nodes, _grid())[0]
        return found

    def values(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores as standardized values, and the log slopes."""
        found, slopes = np.empty_like(z), np.empty_like(z)
        for j, nodes in enumerate(self.nodes):
            found[..., j], slope = _interpolated(z[..., j], _grid(), nodes)
            slopes[..., j] = np.log(slope)
        return found, slopes


def _completed(
    model: TableDensity,
    proposal: _Proposal,
    values: Cells,
    unknown: Unknown,
    there: bool,
    seed: int,
    k: int,
) -> Completions:
    schema, n = model.schema, len(values)
    events = event_rows(schema, values, schema.standardize(values))
    places = np.round(events * _GRAIN) + 0.0  # no zero is below zero
    rngs = [np.random.default_rng([seed, zlib.crc32(row.tobytes())]) for row in places]
    n_codes = len(schema.coded)
    free = unknown[:, list(schema.valued)]
    codes, log_q, listed = _propose_codes(model, proposal, events, unknown, there, rngs, k)
    u = np.repeat(events[:, None, n_codes:], k, 1)
    if free.any():
        u, more = _propose_values(model, proposal, codes, u, free, rngs)
        log_q = log_q + more
    whole = np.concatenate([codes, u], 2).reshape(n * k, -1)
    log_p = in_blocks(Density.log_prob, model.density, whole).reshape(n, k)
    present = _presence(model, codes.reshape(n * k, -1)).reshape(u.shape).astype(bool)
    scales = np.log([schema.columns[i].scale for i in schema.valued])
    known_scale = np.where(present & ~free[:, None], scales, 0.0).sum(2)
    rows = schema.restore(u.reshape(n * k, -1), codes.reshape(n * k, -1)).reshape(n, k, -1)
    rows = np.where(unknown[:, None], rows, values[:, None]).reshape(n * k, -1)
    rows = schema.remade(rows, np.repeat(unknown, k, 0))
    possible = schema.keep_rules(rows) & (schema.codes(rows) >= 0).all(1)
    log_p = np.where(possible.reshape(n, k) & ~np.isnan(log_p), log_p, -np.inf)
    return Completions(rows.reshape(n, k, -1), log_p - log_q - known_scale, listed)


def _propose_codes(
    model: TableDensity,
    proposal: _Proposal,
    events: np.ndarray,
    unknown: Unknown,
    there: bool,
    rngs: list[np.random.Generator],
    k: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidate codes, log of the chance to be proposed, and whether they are all."""
    schema = model.schema
    coded = list(schema.coded)
    no_values = np.logical_not(unknown[:, list(schema.valued)].any(1))
    listed = np.zeros(len(unknown), bool)
    lost = (
        np.stack([schema.unknown_code(i, unknown) for i in coded], 1) if coded else unknown[:, :0]
    )
    codes = np.repeat(events[:, None, : len(coded)], k, 1)
    log_q = np.zeros(codes.shape[:2])
    columns = [schema.columns[i] for i in coded]
    states = np.array([len(c.states) - (c.missing and there) for c in columns], int)
    for row, free in enumerate(lost):
        if not free.any():
            listed[row] = no_values[row]
            continue
        if no_values[row] and np.prod(states[free], dtype=float) <= k:
            every = np.stack([s.ravel() for s in np.indices(states[free].tolist())], 1)
            codes[row][:, free] = np.resize(every, (k, free.sum()))
            log_q[row] = np.where(np.arange(k) < len(every), -np.log(k), np.inf)
            listed[row] = True
            continue
        differs = (proposal.codes[:, ~free] != codes[row, 0, ~free]).sum(1)
        weight = _MISMATCH ** (differs - differs.min())
        weight = weight / weight.sum()
        rng = rngs[row]
        chosen = rng.choice(len(weight), k, p=weight)
        share = np.tile(weight[:, None], (1, k))
        for j in np.flatnonzero(free):
            pool = proposal.codes[:, j]
            stray = np.where(pool >= states[j], 1.0, _ANY)
            anything = rng.integers(0, states[j], k)
            mine = np.where(rng.random(k) < stray[chosen], anything, pool[chosen])
            codes[row, :, j] = mine
            same = pool[:, None] == mine
            share *= (1 - stray)[:, None] * same + stray[:, None] / states[j]
        log_q[row] = np.log(share.sum(0))
    return codes, log_q, listed


def _propose_values(
    model: TableDensity,
    proposal: _Proposal,
    codes: np.ndarray,
    u: np.ndarray,
    free: np.ndarray,
    rngs: list[np.random.Generator],
) -> tuple[np.ndarray, np.ndarray]:
    """Return candidates' standardized values and the log-density of proposing those there.

    Scores come one after another, each given those before it, so that the ones of values which a
    candidate's codes leave absent have a factor of their own, which is left out.
    """
    n, k, n_values = u.shape
    flat = codes.reshape(n * k, -1)
    present = _presence(model, flat).reshape(u.shape)
    flags = model.schema.flags(flat).reshape(n, k, -1)
    scores = proposal.scores(u)
    features = np.concatenate([scores, flags], 2) - proposal.mean
    steps = np.stack([rng.standard_t(_DEGREES, (k, n_values)) for rng in rngs])
    log_step = scipy.stats.t.logpdf(steps, _DEGREES)
    log_q = np.zeros((n, k))
    out = u.copy()
    known = ~free & (present[:, 0] > 0)
    patterns, place = np.unique(np.concatenate([free, known], 1), axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        rows = np.flatnonzero(place.ravel() == p)
        wanted, given = pattern[:n_values], pattern[n_values:]
        if not wanted.any():
            continue
        known_places = np.concatenate(
            [np.flatnonzero(given), np.arange(n_values, len(proposal.mean))]
        )
        slopes, root = _conditional(proposal.covariance, np.flatnonzero(wanted), known_places)
        step = steps[rows][:, :, wanted]
        z = features[rows][:, :, known_places] @ slopes.T + step @ root.T
        full = np.zeros((len(rows), k, n_values))
        full[:, :, wanted] = z + proposal.mean[:n_values][wanted]
        value, log_slope = proposal.values(full)
        there = present[rows][:, :, wanted] > 0
        each = log_step[rows][:, :, wanted] - np.log(np.diag(root)) - log_slope[:, :, wanted]
        log_q[rows] = np.where(there, each, 0.0).sum(2)
        mine = out[rows]
        mine[:, :, wanted] = np.where(there, value[:, :, wanted], 0.0)
        out[rows] = mine
    return out, log_q


def _conditional(
    covariance: np.ndarray, wanted: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the regression of some on others, and the Cholesky root of what is left."""
    cross = covariance[np.ix_(wanted, given)]
    slopes = np.linalg.solve(covariance[np.ix_(given, given)], cross.T).T if len(given) else cross
    left = covariance[np.ix_(wanted, wanted)] - slopes @ cross.T
    return slopes, np.linalg.cholesky(0.5 * (left + left.T) + 1e-9 * np.eye(len(wanted)))


def _presence(model: TableDensity, codes: np.ndarray) -> np.ndarray:
    """Return for each row and value one where it is there, zero where it is absent."""
    found = [
        np.ones(len(codes)) if place < 0 else (codes[:, place] == 0).astype(float)
        for place in model.schema.presence
    ]
    return np.stack(found, 1) if found else np.empty((len(codes), 0))


def _grid() -> np.ndarray:
    return np.linspace(-_REACH, _REACH, _NODES)


def _interpolated(x: np.ndarray, at: np.ndarray, to: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a piecewise linear map of x, straight beyond its ends, and its slopes."""
    place = np.clip(np.searchsorted(at, x, "right") - 1, 0, len(at) - 2)
    slope = (to[place + 1] - to[place]) / (at[place + 1] - at[place])
    return to[place] + slope * (x - at[place]), slope


@compiled
def _sample(density: Density, key: Array, n: int) -> Array:
    return density.sample(key, n)
