"""Learn one candidate's law of a table from chosen rows of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.fitting.gradient import fit
from pushforward.fitting.noise import TrainingNoise
from pushforward.fitting.outcome import Fit
from pushforward.judge.candidates import Candidate, TrainingRows, flow, gaussian
from pushforward.judge.rows import TableRows
from pushforward.judge.scaling import scaled_by_moments, spread
from pushforward.judge.settings import Task
from pushforward.judge.split import Split
from pushforward.tables.columns import bounds_warp, fit_columns, inside_edges
from pushforward.tables.context import ContextColumns, fit_context
from pushforward.tables.density import TableDensity, event_rows
from pushforward.tables.inference import infer_schema
from pushforward.tables.measured import blurred_density, measured_table, standard_errors
from pushforward.tables.schema import Schema
from pushforward.transforms.compose import Frozen

_COUNTED_ROWS = 20_000
"""Rows at most, drawn at random, by which shares of codes after the first are set."""

_ERROR_NODES = 16
"""Points of the errors' law in learning: so many times the work."""


@dataclasses.dataclass(frozen=True)
class Columns:
    """Hold columns as fitted to training rows.

    Parameters
    ----------
    schema : those that have a law, with their centres and scales.
    transform : chain of each valued column, latent → standardized; none without such columns.
    given : those that the law is conditioned on, or none.
    """

    schema: Schema
    transform: Frozen | None
    given: ContextColumns | None

    def context(self, rows: TableRows) -> np.ndarray:
        """Return the numbers that rows' law is conditioned on."""
        if self.given is None or rows.context is None:
            return np.empty((len(rows), 0))
        return self.given.encode(rows.context)


def learn_gaussian(task: Task, train: np.ndarray) -> TableDensity:
    """Return the Gaussian of the training rows: linear in what is given."""
    rows = task.rows[train]
    scaled = scaled_by_moments(rows.values, task.schema)
    found = Columns(scaled, None, _given(task, rows))
    return TableDensity(
        scaled,
        gaussian(_training_rows(task, found, rows)[0], bounds_warp(scaled)),
        task.settings.nodes,
        found.given,
    )


def fit_table_columns(task: Task, train: np.ndarray) -> Columns:
    """Fit centre, scale and chain of each column to training rows."""
    rows = task.rows[train]
    schema = infer_schema(rows.values, task.schema.names, rows.weights, declared=task.schema)
    transform = None
    if schema.valued:
        noisy = spread(schema.standardize(rows.values), schema, _rng(task))
        fitted = fit_columns(noisy, schema, rows.weights)
        schema, transform = schema.annotated(fitted.notes), fitted.transform
    return Columns(schema, transform, _given(task, rows))


def learn_flow(
    task: Task,
    columns: Columns,
    split: Split,
    candidate: Candidate,
    *,
    member: int = 0,
    epochs: int | None = None,
    sharing: int = 1,
) -> tuple[TableDensity, Fit]:
    """Fit a flow to a split; for a given number of epochs, as a refit without a checkpoint.

    This fit and those after it, `sharing` in all, share the seconds that are left.
    """
    settings, schema = task.settings, columns.schema
    key = jax.random.key(settings.seed)
    net_key, fit_key = jax.random.split(jax.random.fold_in(key, member) if member else key)
    train, held = task.rows[split.train], task.rows[split.validation]
    rows, events = _training_rows(task, columns, train)
    start = flow(candidate, rows, columns.transform, net_key)
    name = f"{candidate.name}-{member}.safetensors"
    checkpoint = settings.checkpoint and settings.checkpoint / name
    refit = epochs is not None
    if not refit:
        chosen = settings.max_epochs
        epochs = candidate.max_epochs if chosen is None else chosen
    if task.measured:
        start = blurred_density(schema, start, task.measured, _ERROR_NODES)
    context, seen = (_conditions(task, columns, part) for part in (train, held))
    seconds = settings.seconds_left()
    checked = (_events(schema, held), seen, held.weights)
    fitted = fit(
        start,
        events,
        key=fit_key,
        context=context,
        weights=train.weights,
        validation=checked if len(held) else 0.0,
        max_epochs=epochs,
        max_time=None if seconds is None else seconds / sharing,
        learning_rate=candidate.learning_rate,
        progress=settings.progress,
        perturb=_noise(candidate.dropout, schema),
        checkpoint=None if refit else checkpoint,
    )
    if fitted.stopped_by == "interrupt":
        raise KeyboardInterrupt
    density = fitted.model.density if task.measured else fitted.model
    model = TableDensity(schema, density, settings.nodes, columns.given)
    return measured_table(model, task.measured) if task.measured else model, fitted


def counted(task: Task, model: TableDensity, rows: np.ndarray) -> TableDensity:
    """Return a law of whole rows whose codes have the shares of these rows."""
    density = model.density
    if not isinstance(density, Mixed) or task.given is not None:
        return model
    columns = Columns(model.schema, None, None)
    built = _training_rows(task, columns, task.rows[rows])[0]
    some = built[_rng(task).permutation(len(rows))[:_COUNTED_ROWS]]
    codes = density.codes.counted(built.masses()[0], some.codes, some.weights)
    return dataclasses.replace(model, density=dataclasses.replace(density, codes=codes))


def joined(models: list[TableDensity]) -> TableDensity:
    """Return the mixture of models of the same columns, in equal shares."""
    first = models[0]
    mixture = Mixture([model.density for model in models])
    return TableDensity(first.schema, mixture, first.nodes, first.given)


def _conditions(task: Task, columns: Columns, rows: TableRows) -> np.ndarray | None:
    """Return what rows' law is conditioned on: numbers of given columns, or sizes of errors."""
    if task.measured:
        return standard_errors(columns.schema, task.measured, np.asarray(rows.context), len(rows))
    return columns.context(rows) if task.given is not None else None


def _given(task: Task, rows: TableRows) -> ContextColumns | None:
    if task.given is None or rows.context is None:
        return None
    schema = infer_schema(rows.context, task.given.names, rows.weights, declared=task.given)
    return fit_context(rows.context, schema, rows.weights)


def _training_rows(
    task: Task, columns: Columns, rows: TableRows
) -> tuple[TrainingRows, np.ndarray]:
    """Return what a model is built from, and the events that it learns from."""
    schema = columns.schema
    u = schema.standardize(rows.values)
    noisy, codes = spread(u, schema, _rng(task)), schema.codes(rows.values)
    built = TrainingRows(schema, codes, noisy, rows.weights, columns.context(rows))
    return built, event_rows(schema, rows.values, u)


def _events(schema: Schema, rows: TableRows) -> np.ndarray:
    return event_rows(schema, rows.values, schema.standardize(rows.values))


def _rng(task: Task) -> np.random.Generator:
    return np.random.default_rng(task.settings.seed)


def _noise(dropout: float, schema: Schema) -> TrainingNoise:
    """Return the noise of learning: dropout, and recorded values spread over their cells."""
    cells, (low, high), n_codes = schema.cells(), inside_edges(schema), len(schema.coded)
    if not cells.any():
        return TrainingNoise(dropout)
    ends = ((cells, 0.0), (low, -np.inf), (high, np.inf))
    padded = (np.concatenate([np.full(n_codes, code), value]) for value, code in ends)
    return TrainingNoise(dropout, *(jnp.asarray(v, float) for v in padded))
