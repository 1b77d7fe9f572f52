"""The compiled part of learning: whole epochs on the device, best parameters kept."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from pushforward.core.parameters import combine
from pushforward.core.programs import compiled
from pushforward.fitting.batch import Batch
from pushforward.fitting.plan import Plan

_CLIP_NORM = 5.0
"""Gradients longer than this are shortened: one odd batch must not undo an epoch."""

_BACK_OFF, _RECOVER = 0.5, 1.05
"""Factors on the learning rate after a step that had to be skipped, and after each good one."""

OPTIMIZER = optax.chain(optax.clip_by_global_norm(_CLIP_NORM), optax.scale_by_adam())


class State(eqx.Module):
    """Everything that learning needs to go on from where it is."""

    params: PyTree
    optimizer: PyTree
    best_params: PyTree
    best_loss: Float[Array, ""]
    best_epoch: Int[Array, ""]
    epoch: Int[Array, ""]
    rate_scale: Float[Array, ""]
    skipped: Int[Array, ""]
    key: Array


def start(params: PyTree, key: Array) -> State:
    """Return the state before the first epoch.

    Leaves of a weak type, such as `jnp.full(2, -1.0)`, get a strong one: steps return that, and
    the second call would be compiled anew.
    """
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), params)
    return State(
        params=params,
        optimizer=OPTIMIZER.init(params),
        best_params=params,
        best_loss=jnp.asarray(jnp.inf, jnp.result_type(float)),
        best_epoch=jnp.asarray(0),
        epoch=jnp.asarray(0),
        rate_scale=jnp.asarray(1.0, jnp.result_type(float)),
        skipped=jnp.asarray(0),
        key=key,
    )


def guarded_step(
    moving: tuple, loss: Float[Array, ""], gradient: PyTree, rate: Array
) -> tuple[PyTree, PyTree, Array, Array, Array]:
    """Take an optimizer step, or none and a smaller next one if loss or gradient is not finite.

    `moving` and the answer hold parameters, optimizer, rate scale and skipped steps; the answer
    also tells whether the step was good.
    """
    params, optimizer, scale, skipped = moving
    good = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(gradient))
    gradient = jax.tree.map(lambda g: jnp.where(good, g, 0.0), gradient)
    updates, moved = OPTIMIZER.update(gradient, optimizer, params)
    stepped = jax.tree.map(lambda p, u: p - (scale * rate * u).astype(p.dtype), params, updates)
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

    The learning rate falls towards the horizon.
    Returns the state and a row (train loss, validation loss, skipped steps) per epoch.
    """

    def loss_of(params: PyTree, batch: Batch, key: Array) -> tuple[Array, Any]:
        model = combine(params, rest)
        noise_key, key = jax.random.split(key)
        if perturb is not None:
            model, batch = perturb(model, batch, noise_key)
        return objective(model, batch, key)

    def step(carry: tuple, inputs: tuple) -> tuple[tuple, Array]:
        params, optimizer, scale, skipped, share = carry
        rows, real, key = inputs
        batch = jax.tree.map(lambda leaf: leaf[rows], train)
        batch = Batch(batch.x, batch.context, batch.weights * real)
        if sharding is not None:
            batch = jax.lax.with_sharding_constraint(batch, sharding)
        (loss, _), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, batch, key)
        moving = (params, optimizer, scale, skipped)
        rate = plan.learning_rate * schedule(share, plan)
        params, optimizer, scale, skipped, good = guarded_step(moving, loss, gradient, rate)
        share = share + 1 / (plan.steps * horizon)
        return (params, optimizer, scale, skipped, share), jnp.where(good, loss, jnp.nan)

    def epoch(carry: tuple) -> tuple:
        state, log, count = carry
        order_key, step_key, check_key, next_key = jax.random.split(state.key, 4)
        rows, real = _shuffle(order_key, train.x.shape[0], plan)
        share = (state.epoch / horizon).astype(state.rate_scale.dtype)
        first = (state.params, state.optimizer, state.rate_scale, state.skipped, share)
        (params, optimizer, scale, skipped, _), losses = jax.lax.scan(
            step, first, (rows, real, jax.random.split(step_key, plan.steps))
        )
        train_loss = jnp.nanmean(losses)
        if blocks is None:
            check, better = train_loss, jnp.asarray(True)
        else:
            check = evaluate(params, rest, blocks, objective, check_key)
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
            key=next_key,
        )
        row = jnp.stack([train_loss, check, skipped.astype(check.dtype)])
        return state, log.at[count].set(row), count + 1

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


evaluate_once = compiled(evaluate)


def schedule(share: Array, plan: Plan) -> Array:
    """Warm up linearly, then fall by a cosine to the final rate; `share` of the way in [0, 1]."""
    fallen = jnp.clip((share - plan.warm_up) / (1 - plan.warm_up), 0, 1)
    cosine = plan.final_rate + (1 - plan.final_rate) * 0.5 * (1 + jnp.cos(jnp.pi * fallen))
    return jnp.minimum((share + 1e-3) / plan.warm_up, 1) * cosine


def _shuffle(key: Array, n: int, plan: Plan) -> tuple[Array, Array]:
    """Return row numbers `(steps, batch)` and which are not padding: all rows once, or some."""
    total = plan.steps * plan.batch_size
    order = jnp.resize(jax.random.permutation(key, n), (total,))
    # Padding is spread over the batches, so that none is left with few rows.
    real = jnp.arange(total) < n
    turned = (plan.batch_size, plan.steps)
    return order.reshape(turned).T, real.reshape(turned).T


def select(choice: Array, new: PyTree, old: PyTree) -> PyTree:
    """Return the leaves of `new` where the choice is true, those of `old` otherwise."""
    return jax.tree.map(lambda a, b: jnp.where(choice, a, b), new, old)
