"""Prove a fitted model on a table: each check passes, fails, or says why it cannot be made."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from pushforward.core.bases import Density
from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.fitting.pareto import pareto_smoothed
from pushforward.judge.rows import TableRows
from pushforward.tables.blocks import in_blocks
from pushforward.tables.density import TableDensity, event_rows
from pushforward.tables.integrated import Integrated

ROWS = 2_000
"""Rows that are sent there and back; those of the determinant are `_DETERMINANTS`."""

_DETERMINANTS, _MOST_VALUES = 32, 128
"""Rows whose determinant is taken by brute force, and columns up to which it is."""

_SAMPLES, _COMPONENTS, _LEAST = 20_000, 8, 1_000
"""Draws for the mass, components of the known law, and draws of one set of codes it needs."""

_ROUND_TRIP, _DETERMINANT = 1e-5, 1e-5
"""Largest errors, in float64: in sd of the latent, and in nats."""

_LARGEST_K = 0.7
"""Pareto shape of the ratios' tail from which on their mean says nothing."""

_WIDE = 4.0
"""Standard errors that chance may be off by."""

_RATES, _SURE = (0.01, 0.05), 0.9995
"""Rates at which p-values are checked, and how rarely chance alone may fail one: 1 in 2,000."""


@dataclasses.dataclass(frozen=True)
class Check:
    """Hold one check of a model.

    Parameters
    ----------
    name : what is checked.
    passed : whether it holds; none where it cannot be decided.
    value, bound : the number found and the largest allowed.
    said : both in a sentence.
    """

    name: str
    passed: bool | None
    value: float | None
    bound: float | None
    said: str


def validate(
    model: TableDensity,
    rows: TableRows,
    p_values: Float[np.ndarray, " n"],
    n_calibration: int,
    seed: int = 0,
) -> list[Check]:
    """Return the checks of a model on a table's rows.

    finite: every row has a log-density. alone: a row scores the same alone. round_trip: latents
    lead back to their rows. determinant: the volume change is that of the Jacobian by autodiff.
    mass: over the model's own draws the mean of r/p is one for a known law r, which holds only
    if draws follow the density and its mass is one; for the commonest codes, and the first row's
    context. calibration: no more rows fall below a
    p-value than chance allows, given how many rows calibrated it.
    """
    scores = model.log_prob(rows.values, rows.context)
    rng = np.random.default_rng(seed)
    chosen = rows[np.sort(rng.permutation(len(rows))[:ROWS])]
    if isinstance(model, Integrated):
        chosen = dataclasses.replace(chosen, values=model.filled(chosen.values, seed))
    return [
        _finite(scores),
        _alone(model, rows, scores),
        _round_trip(model, chosen),
        _determinant(model, chosen[np.arange(min(_DETERMINANTS, len(chosen)))]),
        _mass(model, chosen, seed),
        *(_calibration(p_values, n_calibration, rate) for rate in _RATES),
    ]


def _finite(scores: np.ndarray) -> Check:
    lost = int((~np.isfinite(scores)).sum())
    said = f"{lost:,} of {len(scores):,} rows have no finite log-density"
    return Check("finite", lost == 0, float(lost), 0.0, said)


def _alone(model: TableDensity, rows: TableRows, scores: np.ndarray) -> Check:
    worst = 0.0
    for i in range(min(3, len(rows))):
        one = rows[np.array([i])]
        alone = model.log_prob(one.values, one.context)[0]
        same = alone == scores[i] or (np.isnan(alone) and np.isnan(scores[i]))
        worst = max(worst, 0.0 if same else abs(float(alone - scores[i])))
    said = f"a row alone differs from the row in the table by {worst:g} nats"
    return Check("alone", worst == 0, worst, 0.0, said)


def _round_trip(model: TableDensity, rows: TableRows) -> Check:
    if not model.schema.valued:
        return Check("round_trip", None, None, None, "no column has values: nothing to invert")
    events, numbers = _events(model, rows)
    # A latent is NaN where a value is absent, and nowhere else.
    absent = np.isnan(model.schema.standardize(rows.values)).sum(1)
    worst = 0.0
    with jax.enable_x64(True):
        for member in _members(model.density):
            errors = in_blocks(_return_errors, _in_float64(member), events, numbers)
            lost = (np.isnan(errors).sum(1) != absent).any()
            worst = max(worst, np.inf if lost else float(np.nanmax(errors, initial=0.0)))
    said = (
        f"latents return to themselves within {worst:.1e} sd (at most {_ROUND_TRIP:g}), in float64"
    )
    return Check("round_trip", worst <= _ROUND_TRIP, worst, _ROUND_TRIP, said)


def _determinant(model: TableDensity, rows: TableRows) -> Check:
    n_values = len(model.schema.valued)
    if not 0 < n_values <= _MOST_VALUES:
        said = f"{n_values} columns of values: taken by brute force for 1 to {_MOST_VALUES}"
        return Check("determinant", None, None, None, said)
    events, numbers = _events(model, rows)
    with jax.enable_x64(True):
        context = jnp.asarray(numbers) if numbers.shape[1] else None
        errors = [
            _determinant_errors(_in_float64(member), jnp.asarray(events), context)
            for member in _members(model.density)
        ]
        worst = float(jnp.nan_to_num(jnp.abs(jnp.stack(errors)), nan=jnp.inf).max())
    said = f"log-determinants differ from autodiff's by at most {worst:.1e} nats, in float64"
    return Check("determinant", worst <= _DETERMINANT, worst, _DETERMINANT, said)


def _mass(model: TableDensity, rows: TableRows, seed: int) -> Check:
    """Check E[r(x)/p(x)] = 1 over draws, of values given the commonest codes."""
    if not model.schema.valued:
        return Check("mass", None, None, None, "no column has values: masses sum to one exactly")
    dtype, context = jnp.result_type(float), None
    if model.given is not None and rows.context is not None:
        context = jnp.asarray(model.encode(rows.context[:1], 1)[0], dtype)
    key = jax.random.key(seed)
    drawn = np.asarray(model.density.sample(key, _SAMPLES, context), np.float64)
    if not np.isfinite(drawn).all():
        return Check("mass", False, None, None, "the model's draws are not finite")
    n_codes = len(model.schema.coded)
    patterns, which = np.unique(drawn[:, :n_codes], axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), minlength=len(patterns))
    drawn = drawn[which.ravel() == counts.argmax()]
    there = [
        j for j, place in enumerate(model.schema.presence) if place < 0 or drawn[0, place] == 0
    ]
    if len(drawn) < _LEAST or not there:
        said = f"no set of codes has {_LEAST:,} of {_SAMPLES:,} draws and values: not decided"
        return Check("mass", None, None, None, said)
    free, log_slope = _unbounded(drawn[:, n_codes:][:, there], model.schema.edges()[there])
    scale = free.std(0) + 1e-12
    learn, check = np.array_split(free / scale, 2)
    known = GaussianMixture(min(_COMPONENTS, len(learn) // 100), random_state=seed, reg_covar=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        known.fit(learn)
    log_r = known.score_samples(check) - np.log(scale).sum() + log_slope[len(learn) :]
    numbers = np.zeros((len(check), 0))
    if context is not None:
        numbers = np.repeat(np.asarray(context, float)[None], len(check), 0)
    log_p = in_blocks(_values_log_prob, model.density, drawn[len(learn) :], numbers)
    if np.isnan(log_p).any():
        return Check("mass", False, None, None, "the model's draws have no log-density")
    shape = pareto_smoothed(log_r - log_p)[1]
    if shape > _LARGEST_K:
        said = f"no known law is near enough (Pareto k̂ {shape:.2f} > {_LARGEST_K}): not decided"
        return Check("mass", None, None, None, said)
    ratio = np.exp(log_r - log_p)
    mean, error = ratio.mean(), ratio.std() / np.sqrt(len(ratio))
    said = f"the mean of a known law over the model's, at its draws, is {mean:.3f} ± {error:.3f}"
    return Check("mass", bool(abs(mean - 1) <= _WIDE * error + 1e-3), float(mean), None, said)


def _unbounded(u: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bounded columns without bounds, by logarithms, and the log of the slope of a row."""
    free, log_slope = u.copy(), np.zeros(len(u))
    for j, (low, high) in enumerate(edges):
        up, down = u[:, j] - low, high - u[:, j]
        if np.isfinite(low) and np.isfinite(high):
            free[:, j] = np.log(up / down)
            log_slope += np.log((high - low) / up / down)
        elif np.isfinite(low) or np.isfinite(high):
            side = up if np.isfinite(low) else down
            free[:, j] = np.log(side)
            log_slope -= np.log(side)
    return free, log_slope


def _calibration(p_values: np.ndarray, n_calibration: int, rate: float) -> Check:
    """Check the rows below a p-value against the beta-binomial law of exchangeable rows.

    Of m calibration rows k = ⌊rate (m + 1)⌋ set the threshold, beyond which a share
    Beta(k, m + 1 − k) of all rows lies.
    """
    n, found = len(p_values), int((p_values <= rate).sum())
    k = int(rate * (n_calibration + 1))
    most = 0.0
    if k:
        most = float(stats.betabinom.ppf(_SURE, n, k, n_calibration + 1 - k))
    said = f"{found:,} of {n:,} rows have a p-value of at most {rate:g}; {most:,.0f} are allowed"
    return Check(f"calibration_{rate:g}", found <= most, found / n, most / n, said)


def _events(model: TableDensity, rows: TableRows) -> tuple[np.ndarray, np.ndarray]:
    u = model.schema.standardize(rows.values)
    return event_rows(model.schema, rows.values, u), model.encode(rows.context, len(u))


def _members(density: Density) -> tuple[Density, ...]:
    return density.components if isinstance(density, Mixture) else (density,)


def _values_part(
    density: Density, event: Array, context: Array | None
) -> tuple[Pushforward, Array, Array | None]:
    """Return the flow of an event's values, the values, and their context, features first."""
    if not isinstance(density, Mixed):
        return density, event, context  # type: ignore[return-value]
    codes, values = event[: density.codes.dim], event[density.codes.dim :]
    flags = density.codes.flags(codes)
    given = flags if context is None else jnp.concatenate([flags, context])
    return density.values, values, given  # type: ignore[return-value]


def _return_errors(density: Density, events: Array, context: Array | None = None) -> Array:
    """Return |z' − z| for z the latents of rows and z' those of what z generates."""
    given = None if context is None else context.T
    flow, values, given = _values_part(density, events.T, given)
    if isinstance(density, Mixed):
        z = density.latents(events.T, None if context is None else context.T)
    else:
        z = flow.transform.inverse(values, given)[0]
    again = flow.transform.inverse(flow.transform.generate(z, given), given)[0]
    return jnp.abs(again - z).T


def _in_float64(density: Density) -> Density:
    """Return the same law in double precision: what float32 cannot hold is no fault of a map."""

    def wide(leaf: Array) -> Array:
        return leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf

    return jax.tree.map(wide, density)


@eqx.filter_jit
def _determinant_errors(density: Density, events: Array, context: Array | None) -> Array:
    """Return dlogp − log|det| of the Jacobian by autodiff, of values all of which are there."""

    def error(event: Array, given: Array | None) -> Array:
        flow, values, own = _values_part(density, event, given)
        inverse = lambda x: flow.transform.inverse(x, own)[0]  # noqa: E731
        dlogp = flow.transform.inverse(values, own)[1]
        return dlogp - jnp.linalg.slogdet(jax.jacfwd(inverse)(values))[1]

    return jax.vmap(error, in_axes=(0, None if context is None else 0))(events, context)


def _values_log_prob(density: Density, events: Array, context: Array | None = None) -> Array:
    """Return the log-density of values given the codes."""
    members = _members(density)
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
