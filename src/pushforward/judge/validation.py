"""Prove a fitted model on a table: each check passes, fails, or says why it cannot be made."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from pushforward.core.bases import Density
from pushforward.densities.mixed import Mixed
from pushforward.densities.pushforward import Pushforward
from pushforward.judge.mass import LEAST, SAMPLES, mass_of_values, members_of
from pushforward.judge.rows import TableRows
from pushforward.tables.blocks import in_blocks
from pushforward.tables.density import TableDensity, event_rows
from pushforward.tables.integrated import Integrated

ROWS = 2_000
"""Rows that are sent there and back; those of the determinant are `_DETERMINANTS`."""

_DETERMINANTS, _MOST_VALUES = 32, 128
"""Rows whose determinant is taken by brute force, and columns up to which it is."""

_ROUND_TRIP, _DETERMINANT = 1e-5, 1e-5
"""Largest errors, in float64: in sd of the latent, and in nats."""

_LARGEST_ERROR = 0.1
"""Standard error of a mass from which on it decides nothing."""

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
        for member in members_of(model.density):
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
            for member in members_of(model.density)
        ]
        worst = float(jnp.nan_to_num(jnp.abs(jnp.stack(errors)), nan=jnp.inf).max())
    said = f"log-determinants differ from autodiff's by at most {worst:.1e} nats, in float64"
    return Check("determinant", worst <= _DETERMINANT, worst, _DETERMINANT, said)


def _mass(model: TableDensity, rows: TableRows, seed: int) -> Check:
    """Check that the density's mass is one, of values given the commonest codes."""
    if not model.schema.valued:
        return Check("mass", None, None, None, "no column has values: masses sum to one exactly")
    context = None
    if model.given is not None and rows.context is not None:
        context = jnp.asarray(model.encode(rows.context[:1], 1)[0], jnp.result_type(float))
    found = mass_of_values(model, context, seed)
    if found is None:
        said = f"no set of codes has {LEAST:,} of {SAMPLES:,} draws and values: not decided"
        return Check("mass", None, None, None, said)
    mass, error = found
    if np.isnan(mass):
        return Check("mass", False, None, None, "draws are not finite, or have no log-density")
    said = f"by draws of the model and of a known law it is {mass:.3f} ± {error:.3f}"
    if not error <= _LARGEST_ERROR:
        return Check("mass", None, mass, None, f"{said}: the laws are too far apart, not decided")
    return Check("mass", bool(abs(mass - 1) <= _WIDE * error + 1e-3), mass, None, said)


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
