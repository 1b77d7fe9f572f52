"""Learning from a density that is known up to its constant: no data, the model draws its own."""

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from pushforward.core.bases import Density
from pushforward.core.errors import FitError, OptionError, ShapeError
from pushforward.core.parameters import combine, partition
from pushforward.densities.reparameterized import require_reparameterized
from pushforward.fitting.loop import State, guarded_step, schedule, select, start
from pushforward.fitting.objectives.variational import FreeEnergy, Stage
from pushforward.fitting.outcome import Fit
from pushforward.fitting.plan import Plan
from pushforward.fitting.progress import EpochBar

_EPOCH = 50
"""Steps between two checks of the free energy, run in one compiled call."""

_CHECK_DRAWS = 1024
"""Draws of a check, always of the same noise: tells differences of a hundredth of their sd."""

_FIRST_BETA = 0.01
"""The target's power at the first step, where annealing is asked for (Rezende and Mohamed)."""


def fit_to_target(
    model: Density,
    log_target: Callable,
    *,
    key: Array,
    objective: Callable | None = None,
    draws: int = 256,
    steps: int = 3000,
    learning_rate: float = 5e-3,
    anneal: float = 0.0,
    max_time: float | None = None,
    progress: bool = False,
) -> Fit:
    r"""Learn a density known up to its constant, by gradient steps on the model's own samples.

    θ ← θ − η(t) · Adam(∇ F),   F = E_q[log q(x) − β(t) log p̃(x)]  (reverse KL),

    with η warmed up, then falling by a cosine. A step with a non-finite loss or gradient is
    skipped and the rate halved; the parameters with the least free energy on a fixed set of
    noise, checked every 50 steps at β = 1, are kept, so that the model returned is not worse
    there than the one given. Judge the outcome by `importance`.

    Parameters
    ----------
    model : a flow without context whose support is the target's; best one that begins near the
        target (`laplace`). Mixtures are refused. It is not changed.
    log_target : log p̃, a function of rows `(n, dim)` to `(n,)` that JAX can differentiate.
    key : random key; the same key gives the same model (unless `max_time` strikes).
    objective : function `(model, stage, key) → (loss, info)`, such as `RenyiBound(log_target)`;
        `FreeEnergy(log_target, draws)` by default.
    draws : samples a step, for the default objective.
    steps, learning_rate : number of steps, and the largest rate.
    anneal : share of the steps over which β rises from 0.01 to 1, for targets of several modes.
    max_time : seconds after which to stop with the best model so far.
    progress : show a bar on standard error, when that is a terminal.

    Returns
    -------
    Fit(model, history, stopped_by) : an epoch is 50 steps; "validation" is the free energy of the
        fixed noise, −ELBO in nats. stopped_by: "max_steps", "max_time" or "interrupt".

    Raises
    ------
    ShapeError : `log_target` does not give one number a row, or the model has a context.
    FitError : no check gave a finite free energy.

    Source rezende2015
    """
    began = time.monotonic()
    require_reparameterized(model)
    if steps < 1 or not 0 <= anneal <= 1 or not 0 < learning_rate < np.inf:
        raise OptionError(
            f"steps={steps}, anneal={anneal}, learning_rate={learning_rate}",
            "steps ≥ 1, 0 ≤ anneal ≤ 1, a positive learning_rate",
        )
    check_target(log_target, model.dim)
    objective = FreeEnergy(log_target, draws) if objective is None else objective
    measure = FreeEnergy(log_target, _CHECK_DRAWS, stick=False)
    check_key, run_key = jax.random.split(key)
    epochs = -(-steps // _EPOCH)
    plan = Plan(min(steps, _EPOCH), draws, epochs, epochs, learning_rate, 1)
    params, rest = partition(model)
    state = start(params, run_key)
    first = _measure_once(params, rest, measure, check_key)
    state = eqx.tree_at(lambda s: s.best_loss, state, jnp.where(jnp.isnan(first), jnp.inf, first))
    history: dict[str, list] = {"epoch": [], "train": [], "validation": [], "skipped": []}
    stopped_by = ""
    with EpochBar(epochs, progress) as bar:
        try:
            while not stopped_by:
                state, row = _run_epoch(state, rest, plan, objective, measure, check_key, anneal)
                train, check, skipped = np.asarray(row).tolist()
                for name, value in zip(
                    history, (int(state.epoch), train, check, int(skipped)), strict=True
                ):
                    history[name].append(value)
                bar.update(int(state.epoch), train, check)
                if int(state.epoch) >= epochs:
                    stopped_by = "max_steps"
                elif max_time is not None and time.monotonic() - began >= max_time:
                    stopped_by = "max_time"
        except KeyboardInterrupt:
            stopped_by = "interrupt"
    if not np.isfinite(state.best_loss) or np.isnan(history["train"]).all():
        raise FitError(
            f"no finite free energy in {int(state.epoch)} epochs ({int(state.skipped)} skipped)",
            "a log-density that is finite wherever the model has samples",
            "map the target to the whole real space, or begin nearer to it (laplace)",
        )
    return Fit(combine(state.best(), rest), history, stopped_by)


def check_target(log_target: Callable, dim: int) -> None:
    """Raise unless a function gives one number for each row of `dim` values."""
    rows = jax.ShapeDtypeStruct((2, dim), jnp.result_type(float))
    shape = jax.eval_shape(log_target, rows).shape
    if shape != (2,):
        raise ShapeError(
            f"log_target of 2 rows of shape {shape}",
            "one number per row: shape (2,)",
            "wrap a function of one event by jax.vmap",
        )


@eqx.filter_jit
def _run_epoch(
    state: State,
    rest: PyTree,
    plan: Plan,
    objective: Callable,
    measure: FreeEnergy,
    check_key: Array,
    anneal: float,
) -> tuple[State, Float[Array, "3"]]:
    """Run `plan.steps` steps; return the state and (train loss, free energy, skipped steps)."""
    layout = state.layout

    def loss_of(params: PyTree, stage: Stage, key: Array) -> tuple[Array, Any]:
        return objective(combine(params, rest), stage, key)

    def step(carry: tuple, key: Array) -> tuple[tuple, Array]:
        *moving, share = carry
        beta = jnp.asarray(1.0, share.dtype)
        if anneal:
            beta = jnp.clip(_FIRST_BETA + (1 - _FIRST_BETA) * share / anneal, 0, 1)
        slope_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, _), gradient = slope_of(layout.tree(moving[0]), Stage(beta), key)
        rate = plan.learning_rate * schedule(share, plan)
        *moving, good = guarded_step(tuple(moving), loss, layout.vector(gradient), rate)
        share = share + 1 / (plan.steps * plan.max_epochs)
        return (*moving, share), jnp.where(good, loss, jnp.nan)

    next_key, key = jax.random.split(state.key)
    share = (state.epoch / plan.max_epochs).astype(state.rate_scale.dtype)
    carry = (state.params, state.optimizer, state.rate_scale, state.skipped, share)
    carry, losses = jax.lax.scan(step, carry, jax.random.split(key, plan.steps))
    params, optimizer, scale, skipped, _ = carry
    check = _measure(layout.tree(params), rest, measure, check_key)
    better = check < state.best_loss
    now = state.epoch + 1
    state = State(
        params=params,
        optimizer=optimizer,
        best_params=select(better, params, state.best_params),
        best_loss=jnp.where(better, check, state.best_loss),
        best_epoch=jnp.where(better, now, state.best_epoch),
        epoch=now,
        rate_scale=scale,
        skipped=skipped,
        key=next_key,
        layout=layout,
    )
    return state, jnp.stack([jnp.nanmean(losses), check, skipped.astype(check.dtype)])


def _measure(params: PyTree, rest: PyTree, measure: FreeEnergy, key: Array) -> Float[Array, ""]:
    return measure(combine(params, rest), Stage(jnp.asarray(1.0)), key)[0]


_measure_once = eqx.filter_jit(_measure)
