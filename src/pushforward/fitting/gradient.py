"""Learning by gradient: one verb for every model with an objective."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from pushforward.core.errors import DataError, FitError, OptionError, ShapeError
from pushforward.core.keys import generator
from pushforward.core.parameters import combine, partition
from pushforward.fitting import checkpoint as store
from pushforward.fitting.batch import Batch
from pushforward.fitting.gaussianizing import fit_gaussianization, is_open
from pushforward.fitting.loop import State, run_epochs, start
from pushforward.fitting.objectives.likelihood import usual_objective
from pushforward.fitting.outcome import Fit
from pushforward.fitting.plan import make_plan
from pushforward.fitting.progress import EpochBar

_BLOCK = 2048
"""Rows of a validation block: bounds memory, and keeps a block's arrays in the cache."""

_CHECKPOINT_SECONDS = 5.0


def fit(
    model: PyTree,
    data: Any,
    *,
    key: Array,
    context: Any = None,
    weights: Any = None,
    objective: Callable | None = None,
    validation: Any = 0.1,
    batch_size: int | None = None,
    max_epochs: int | None = None,
    max_time: float | None = None,
    patience: int | None = None,
    learning_rate: float | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
    perturb: Callable | None = None,
    checkpoint: Path | None = None,
) -> Fit:
    r"""Learn a model's free parameters by stochastic gradient steps on an objective.

    θ ← θ − η(t) · Adam(∇ Σ_batch loss),  η warmed up, then falling by a cosine.

    Many steps run in each compiled call. The parameters of the best validation epoch are kept,
    a step with a non-finite loss or gradient is skipped and the rate halved, and the model
    returned is never worse on the validation rows than the one given.

    A `Gaussianization` (recipes rbig and sinf) has no gradient: its layers are found one after
    the other, whatever else the model holds before them, until validation rows stop gaining;
    where these were set aside here, as many layers are found anew from all rows. Its epochs are
    layers; batch_size and learning_rate do not bear on it, and it writes no checkpoint.

    Parameters
    ----------
    model : any model that `objective` understands. It is not changed.
    data : rows `(n, dim)`, finite, best of order one (`DensityEstimator` scales for you).
    key : random key; the same key and data give the same model (unless `max_time` strikes).
    context, weights : one context row, and one non-negative weight, per row of data.
    objective : pure function `(model, batch, key) → (loss, info)`; negative log-likelihood by
        default, or one draw of its bound or estimate where the model has nothing better.
    validation : share of rows set aside at random to choose the epoch; or those rows
        themselves, an array or a tuple (x, context, weights); 0 for none.
    batch_size, max_epochs, patience, learning_rate : chosen from the number of rows if not
        given; patience counts epochs without a better validation loss. In an epoch each row is
        seen once; with more than 256 batches of rows, it is 256 batches drawn anew.
    max_time : seconds after which to stop with the best model so far; the learning rate's fall
        is shortened to fit.
    mesh : devices over which to split each batch, along the mesh's first axis.
    progress : show a bar on standard error, when that is a terminal.
    perturb : function `(model, batch, key) → (model, batch)` applied before each step only:
        dropout, dequantization (`TrainingNoise`).
    checkpoint : file to which the state is written every few seconds and from which a killed
        fit goes on; removed at the end.

    Returns
    -------
    Fit(model, history, stopped_by) : losses are in nats per row.

    Raises
    ------
    DataError : a value is not finite, or a weight is negative (named by row and column).
    FitError : no epoch gave a finite loss.
    """
    began = time.monotonic()
    split_key, run_key = jax.random.split(key)
    rows = _rows(data, context, weights)
    train, held = _split(rows, validation, split_key)
    if held is not None and held.x.shape[1] != train.x.shape[1]:
        raise ShapeError(
            f"validation rows of {held.x.shape[1]} columns", f"{train.x.shape[1]}, as the data"
        )
    if is_open(model):
        if objective is not None or mesh is not None:
            raise OptionError(
                "an objective or a mesh for a Gaussianization", "neither: it has no gradient"
            )
        learn = partial(
            fit,
            data=train.x,
            context=train.context,
            weights=train.weights,
            key=run_key,
            validation=0.0 if held is None else (held.x, held.context, held.weights),
            batch_size=batch_size,
            max_epochs=max_epochs,
            max_time=max_time,
            patience=patience,
            learning_rate=learning_rate,
            progress=progress,
            perturb=perturb,
            checkpoint=checkpoint,
        )
        return fit_gaussianization(
            model,
            train,
            held,
            run_key,
            learn=learn,
            refit=isinstance(validation, float | int),
            patience=patience,
            max_layers=max_epochs,
            max_time=max_time,
            perturb=perturb,
            progress=progress,
        )
    objective = usual_objective(model) if objective is None else objective
    shards = 1 if mesh is None else mesh.shape[mesh.axis_names[0]]
    plan = make_plan(
        train.x.shape[0],
        batch_size=batch_size,
        max_epochs=max_epochs,
        patience=patience,
        learning_rate=learning_rate,
        shards=shards,
    )
    train = _scaled(train, min(train.x.shape[0] / plan.steps, plan.batch_size))
    blocks = None if held is None else _blocks(_scaled(held, held.x.shape[0]))
    train, blocks = jax.tree.map(jnp.asarray, (train, blocks))
    params, rest = partition(model)
    state, history = start(params, run_key), _empty_history()
    state = dataclasses.replace(state, epoch=jnp.asarray(-1))
    mark = "" if checkpoint is None else store.fingerprint((train, blocks, state.key), params, plan)
    resumed = None if checkpoint is None else store.read(checkpoint, state, mark)
    if resumed is not None:
        state, history = resumed
    sharding = None
    if mesh is not None:
        sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
        everywhere = NamedSharding(mesh, PartitionSpec())
        state, rest, train, blocks = jax.device_put((state, rest, train, blocks), everywhere)
    horizon, saved, calls = plan.max_epochs, began, 0
    stopped_by = "max_epochs" if max(0, int(state.epoch)) >= horizon else ""
    with EpochBar(plan.max_epochs, progress) as bar:
        try:
            while not stopped_by:
                before = max(0, int(state.epoch))
                called = time.monotonic()
                # Against the clock, two calls of one epoch: one compiles, one tells the pace.
                until = horizon if max_time is None or calls > 1 else before + 1
                state, log = run_epochs(
                    state,
                    rest,
                    train,
                    blocks,
                    jnp.asarray(horizon),
                    jnp.asarray(until),
                    plan,
                    objective,
                    perturb,
                    sharding,
                )
                calls, epoch = calls + 1, int(state.epoch)
                _record(history, np.asarray(log)[: epoch - before], before, blocks is not None)
                now = time.monotonic()
                bar.update(epoch, history["train"][-1], (history["validation"] or [np.nan])[-1])
                if max_time is not None and calls > 1:
                    pace = (now - called) / (epoch - before)
                    left = int((max_time - (now - began)) / pace)
                    horizon = max(epoch, min(plan.max_epochs, epoch + left))
                stopped_by = _reason(state, plan.patience, plan.max_epochs, horizon)
                if max_time is not None and now - began >= max_time and not stopped_by:
                    stopped_by = "max_time"
                if checkpoint is not None and now - saved > _CHECKPOINT_SECONDS:
                    store.write(checkpoint, state, history, mark)
                    saved = now
        except KeyboardInterrupt:
            stopped_by = "interrupt"
    if checkpoint is not None:
        if stopped_by == "interrupt":
            store.write(checkpoint, state, history, mark)
        else:
            checkpoint.unlink(missing_ok=True)
    finite = np.isfinite(state.best_loss) and np.isfinite(history["train"]).any()
    if int(state.epoch) > 0 and not finite:
        raise FitError(
            f"no finite loss in {int(state.epoch)} epochs ({int(state.skipped)} steps skipped)",
            "an objective that is finite on the training rows",
            "scale the columns to order one, or check that the model's support holds the data",
        )
    return Fit(combine(state.best(), rest), history, stopped_by)


def _reason(state: State, patience: int, max_epochs: int, horizon: int) -> str:
    if int(state.epoch) - int(state.best_epoch) >= patience:
        return "patience"
    if int(state.epoch) >= max_epochs:
        return "max_epochs"
    return "max_time" if int(state.epoch) >= horizon else ""


def _rows(data: Any, context: Any, weights: Any) -> Batch:
    """Return checked rows, on the host."""
    x = np.asarray(data)
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeError(f"data of shape {x.shape}", "rows: shape (n, dim), n ≥ 1")
    _check_finite(x, "data")
    if context is not None:
        context = np.asarray(context)
        if context.ndim != 2 or len(context) != len(x):
            raise ShapeError(f"context of shape {context.shape}", f"shape ({len(x)}, context_dim)")
        _check_finite(context, "context")
    weights = np.ones(len(x)) if weights is None else np.asarray(weights, float)
    if weights.shape != (len(x),):
        raise ShapeError(f"weights of shape {weights.shape}", f"shape ({len(x)},)")
    _check_finite(weights[:, None], "weights")
    if (weights < 0).any() or not weights.any():
        raise DataError("weights that are negative or all zero", "non-negative, not all zero")
    dtype = jnp.result_type(float)
    kept = weights > 0
    return Batch(
        x[kept].astype(dtype),
        None if context is None else context[kept].astype(dtype),
        weights[kept].astype(dtype),
    )


def _check_finite(values: np.ndarray, name: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{name}[{row}, {column}] = {values[row, column]} ({bad.any(1).sum()} such rows)",
            "finite numbers",
            "remove or impute these rows first",
        )


def _split(rows: Batch, validation: Any, key: Array) -> tuple[Batch, Batch | None]:
    if isinstance(validation, tuple):
        return rows, _rows(*(*validation, None, None)[:3])
    if not isinstance(validation, int | float):
        return rows, _rows(validation, None, None)
    if not 0 <= validation < 1:
        raise OptionError(f"validation={validation}", "a share in [0, 1), or rows")
    n = rows.x.shape[0]
    held = round(n * validation)
    if validation and n > 1:
        held = min(max(held, 1), n - 1)
    if not held:
        return rows, None
    order = generator(key).permutation(n)
    take = lambda index: jax.tree.map(lambda leaf: leaf[index], rows)  # noqa: E731
    return take(order[held:]), take(order[:held])


def _scaled(rows: Batch, rows_per_sum: int | float) -> Batch:
    """Scale the weights so that `rows_per_sum` rows sum to one on average."""
    scale = rows.x.shape[0] / (rows.weights.sum() * rows_per_sum)
    return Batch(rows.x, rows.context, rows.weights * scale)


def _blocks(rows: Batch) -> Batch:
    """Pad with weightless copies of the first row and cut into blocks."""
    n = rows.x.shape[0]
    count = -(-n // _BLOCK)
    size = -(-n // count)

    def cut(leaf: np.ndarray) -> np.ndarray:
        return leaf[np.where(real, np.arange(count * size), 0)].reshape(
            count, size, *leaf.shape[1:]
        )

    real = np.arange(count * size) < n
    cut_rows = jax.tree.map(cut, rows)
    return Batch(cut_rows.x, cut_rows.context, cut_rows.weights * real.reshape(count, size))


def _empty_history() -> dict[str, list]:
    return {"epoch": [], "train": [], "validation": [], "skipped": []}


def _record(history: dict, log: np.ndarray, before: int, has_validation: bool) -> None:
    for i, (train, check, skipped) in enumerate(log.tolist()):
        history["epoch"].append(before + i + 1)
        history["train"].append(train)
        history["skipped"].append(int(skipped))
        if has_validation:
            history["validation"].append(check)
