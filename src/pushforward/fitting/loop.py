"""The compiled part of learning: whole epochs on the device, best parameters kept."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from pushforward.core.parameters import Layout, combine, layout_of
from pushforward.core.programs import compiled, jit
from pushforward.fitting.batch import Batch
from pushforward.fitting.plan import Plan

_CLIP_NORM = 5.0
"""Gradients longer than this are shortened: one odd batch must not undo an epoch."""

_BACK_OFF, _RECOVER = 0.5, 1.05
"""Factors on the learning rate after a step that had to be skipped, and after each good one."""

OPTIMIZER = optax.chain(optax.clip_by_global_norm(_CLIP_NORM), optax.scale_by_adam())


class State(eqx.Module):
    """Everything that learning needs to go on from where it is, parameters as vectors."""

    params: Float[Array, " n"]
    optimizer: PyTree
    best_params: Float[Array, " n"]
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    epoch: Int[Array, ""]
    rate_scale: Float[Array, ""]
    skipped: Int[Array, ""]
    key: Array
    layout: Layout = eqx.field(static=True)

    def best(self) -> PyTree:
        """Return the best parameters so far; cut up without a compiled call for each."""
        return jax.tree.map(jnp.asarray, self.layout.tree(np.asarray(self.best_params)))


@jit
def start(params: PyTree, key: Array) -> State:
    """Return the state before the first epoch."""
    layout = layout_of(params)
    vector = layout.vector(params)
    return State(
        params=vector,
        optimizer=OPTIMIZER.init(vector),
        best_params=vector,
        best_loss=jnp.asarray(jnp.inf, jnp.result_type(float)),
        best_epoch=jnp.asarray(0),
        epoch=jnp.asarray(0),
        rate_scale=jnp.asarray(1.0, jnp.result_type(float)),
        skipped=jnp.asarray(0),
        key=key,
        layout=layout,
    )


def guarded_step(
    moving: tuple, loss: Float[Array, ""], gradient: Float[Array, " n"], rate: Array
) -> tuple[Array, PyTree, Array, Array, Array]:
    """Take an optimizer step, or none and a smaller next one if loss or gradient is not finite.

    `moving` and the answer hold parameters, optimizer, rate scale and skipped steps; the answer
    also tells whether the step was good.
    """
    params, optimizer, scale, skipped = moving
    good = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradient))
    updates, moved = OPTIMIZER.update(jnp.where(good, gradient, 0.0), optimizer, params)
    stepped = params - (scale * rate * updates).astype(params.dtype)
    params, optimizer = select(good, (stepped, moved), (params, optimizer))
    scale = jnp.where(good, jnp.minimum(scale * _RECOVER, 1.0), scale * _BACK_OFF)
    return params, optimizer, scale, skipped + ~good, good


@compiled
def run_epochs(
    state: State,
    rest: PyTree,
    train: Batch,
    blocks: Batch | None,
    horizon: Int[Array, ""],
    until: Int[Array, ""],
    plan: Plan,
    objective: Callable,
    perturb: Callable | None,
    sharding: Any,
) -> tuple[State, Float[Array, "epochs 3"]]:
    """Run up to `plan.epochs_per_call` epochs; stop early at epoch `until` or out of patience.

    The learning rate falls towards the horizon. At epoch −1 no step is taken: the model is scored
    as it is, which as a program of its own would take half a second to compile.
    Returns the state and a row (train loss, validation loss, skipped steps) per epoch.
    """
    layout = state.layout

    def loss_of(params: PyTree, batch: Batch, key: Array) -> tuple[Array, Any]:
        model = combine(params, rest)
        noise_key, key = jax.random.split(key)
        if perturb is not None:
            model, batch = perturb(model, batch, noise_key)
        return objective(model, batch, key)

    def step(step_key: Array, carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        params, optimizer, scale, skipped, share = carry
        rows, real, number = inputs
        key = jax.random.fold_in(step_key, number)
        batch = jax.tree.map(lambda leaf: leaf[rows], train)
        batch = Batch(batch.x, batch.context, batch.weights * real)
        if sharding is not None:
            batch = jax.lax.with_sharding_constraint(batch, sharding)
        slope_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, _), gradient = slope_of(layout.tree(params), batch, key)
        moving, gradient = (params, optimizer, scale, skipped), layout.vector(gradient)
        rate = plan.learning_rate * schedule(share, plan)
        params, optimizer, scale, skipped, good = guarded_step(moving, loss, gradient, rate)
        share = share + 1 / (plan.steps * horizon)
        return (params, optimizer, scale, skipped, share), jnp.where(good, loss, jnp.nan)

    def epoch(carry: tuple) -> tuple:
        state, log, count = carry
        # Keys that nothing draws from are not computed.
        own = jax.random.fold_in(state.key, state.epoch)
        order_key, step_key, check_key = (jax.random.fold_in(own, i) for i in range(3))
        rows, real = _shuffle(order_key, train.x.shape[0], plan)
        share = (state.epoch / horizon).astype(state.rate_scale.dtype)
        first = (state.params, state.optimizer, state.rate_scale, state.skipped, share)
        inputs = rows, real, jnp.arange(plan.steps)
        learned = lambda: jax.lax.scan(partial(step, step_key), first, inputs)  # noqa: E731
        none = jnp.full(plan.steps, jnp.nan, share.dtype)
        moved, losses = jax.lax.cond(state.epoch < 0, lambda: (first, none), learned)
        params, optimizer, scale, skipped, _ = moved
        train_loss = jnp.nanmean(losses)
        if blocks is None:
            check, better = train_loss, jnp.asarray(True)
        else:
            check = evaluate(layout.tree(params), rest, blocks, objective, check_key)
            better = check < state.best_loss
        best = select(better, params, state.best_params)
        now = state.epoch + 1
        state = State(
            params=params,
            optimizer=optimizer,
            best_params=best,
            best_loss=jnp.where(better, check, state.best_loss),
            best_epoch=jnp.where(better, now, state.best_epoch),
            epoch=now,
            rate_scale=scale,
            skipped=skipped,
            key=state.key,
            layout=layout,
        )
        row = jnp.stack([train_loss, check, skipped.astype(check.dtype)])
        return state, log.at[count].set(row), count + (now > 0)

    def going(carry: tuple) -> Array:
        state, _, count = carry
        patient = state.epoch - state.best_epoch < plan.patience
        return (count < plan.epochs_per_call) & (state.epoch < until) & patient

    log = jnp.full((plan.epochs_per_call, 3), jnp.nan, state.rate_scale.dtype)
    state, log, _ = jax.lax.while_loop(going, epoch, (state, log, 0))
    return state, log


def evaluate(
    params: PyTree, rest: PyTree, blocks: Batch, objective: Callable, key: Array
) -> Float[Array, ""]:
    """Return the objective over blocks of rows `(n_blocks, rows, …)`, one block at a time."""

    def one(block: Batch) -> Array:
        return objective(combine(params, rest), block, key)[0]

    return jax.lax.map(one, blocks).sum()


def schedule(share: Array, plan: Plan) -> Array:
    """Warm up linearly, then fall by a cosine to the final rate; `share` of the way in [0, 1]."""
    fallen = jnp.clip((share - plan.warm_up) / (1 - plan.warm_up), 0, 1)
    cosine = plan.final_rate + (1 - plan.final_rate) * 0.5 * (1 + jnp.cos(jnp.pi * fallen))
    return jnp.minimum((share + 1e-3) / plan.warm_up, 1) * cosine


def _shuffle(key: Array, n: int, plan: Plan) -> tuple[Array, Array]:
    """Return row numbers `(steps, batch)` and which are not padding: all rows once, or some.

    Padding is spread over the batches, so that none is left with few rows.
    """
    place = jnp.arange(plan.steps)[:, None] + plan.steps * jnp.arange(plan.batch_size)
    # Rows whose draws tie keep their order: one pair in a table of 100,000.
    order = jnp.argsort(jax.random.bits(key, (n,)))
    return order[place % n], place < n


def select(choice: Array, new: PyTree, old: PyTree) -> PyTree:
    """Return the leaves of `new` where the choice is true, those of `old` otherwise."""
    return jax.tree.map(lambda a, b: jnp.where(choice, a, b), new, old)
