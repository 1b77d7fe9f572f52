"""What `fit` does with a Gaussianization: its layers are searched for, not learned by gradient."""

import dataclasses
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from pushforward.core.bases import Transform
from pushforward.core.blocks import in_blocks
from pushforward.core.errors import FitError, OptionError
from pushforward.core.keys import generator
from pushforward.core.parameters import count_parameters
from pushforward.core.programs import compiled
from pushforward.densities.mixed import Mixed
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.fitting.batch import Batch
from pushforward.fitting.greedy import PATIENCE, find_layers
from pushforward.fitting.layers import HostLayer, gaussianization
from pushforward.fitting.memory import BlocksInMemory
from pushforward.fitting.outcome import Fit
from pushforward.transforms.compose import Chain
from pushforward.transforms.gaussianization import Gaussianization
from pushforward.transforms.permute import Permute

_CHECKED, _TOLERANCE = 2000, 0.05
"""Rows by which, and nats a row within which, the transform must agree with the search."""


def is_open(model: PyTree) -> bool:
    """Tell whether a model holds a Gaussianization whose layers are still to be found."""
    return any(_is_open(node) for node in jax.tree.leaves(model, is_leaf=_is_open))


def fit_gaussianization(
    model: PyTree,
    train: Batch,
    held: Batch | None,
    key: Array,
    *,
    learn: Callable[..., Fit],
    refit: bool,
    patience: int | None,
    max_layers: int | None,
    max_time: float | None,
    perturb: Callable | None,
    progress: bool,
) -> Fit:
    """Find the layers of a model's Gaussianization, after `learn` has learned everything else.

    Validation rows choose how many; with `refit` so many are then found anew from all rows.
    """
    began = time.monotonic()
    part, dim = _latent_most(_flow(model).transform), _flow(model).density.dim
    if count_parameters(model):
        model = _replaced(learn(_replaced(model, Permute(np.arange(dim)))).model, part)
    plan = part.plan if max_layers is None else dataclasses.replace(part.plan, layers=max_layers)
    noise_key, search_key = jax.random.split(key)
    if perturb is not None:
        train = perturb((), train, noise_key)[1]
    rows, weights = _latents(model, train), np.asarray(train.weights, np.float64)
    checked = None if held is None else (_latents(model, held), np.asarray(held.weights))
    found = find_layers(
        BlocksInMemory(rows, weights, *(checked or (None, None))),
        plan,
        generator(search_key),
        patience=PATIENCE if patience is None else patience,
        max_time=_left(max_time, began),
        progress=progress,
    )
    layers = found.layers
    if refit and checked is not None:
        both = BlocksInMemory(
            *(np.concatenate(p) for p in zip((rows, weights), checked, strict=True))
        )
        again = dataclasses.replace(plan, layers=max(found.tried, 1))
        if (_left(max_time, began) or 1.0) > 0:
            search = generator(search_key)
            layers = find_layers(both, again, search, patience=plan.layers).layers
    done = gaussianization(dim, plan, layers)
    _check(done, layers, rows[:_CHECKED])
    return Fit(_replaced(model, done), found.history, found.stopped_by)


def _left(max_time: float | None, began: float) -> float | None:
    return None if max_time is None else max_time - (time.monotonic() - began)


def _check(done: Gaussianization, layers: list[HostLayer], rows: np.ndarray) -> None:
    """Raise where rounding makes another density of the layers than was found in float64."""
    x, total = rows.T, np.zeros(len(rows))
    for layer in layers:
        x, change = layer.move(x)
        total = total + change
    found = total - 0.5 * (x * x).sum(0)
    z, dlogp = _inverse(done, jnp.asarray(rows.T, float))
    rounded = np.asarray(dlogp, np.float64) - 0.5 * (np.asarray(z, np.float64) ** 2).sum(0)
    off = np.abs(np.median(rounded - found))
    if not off < _TOLERANCE:
        raise FitError(
            f"layers whose density rounding changes by {off:.2g} nats a row",
            "columns of order one that are neither repeated values nor sums of each other",
            "scale the columns, drop copies, spread recorded values over their cells, or work in "
            "float64 (jax.enable_x64)",
        )


@compiled
def _inverse(done: Gaussianization, x: Array) -> tuple[Array, Array]:
    return done.inverse(x)


def _is_open(node: object) -> bool:
    return isinstance(node, Gaussianization) and node.layers is None


def _flow(model: PyTree) -> Pushforward:
    flow = model.values if isinstance(model, Mixed) else model
    if isinstance(flow, Pushforward) and isinstance(flow.density, StandardNormal):
        part = _latent_most(flow.transform)
        if _is_open(part) and not flow.density.partial:
            return flow
    raise OptionError(
        "a Gaussianization within a model that is not its pushforward of a standard normal",
        "Pushforward(Gaussianization(…), StandardNormal(dim)), or a chain that begins with it",
        "fit it alone, and build the model from what it became",
    )


def _replaced(node: PyTree, part: Transform) -> PyTree:
    """Return a model with another latent-most transform."""
    if isinstance(node, Mixed):
        return dataclasses.replace(node, values=_replaced(node.values, part))
    if isinstance(node, Pushforward):
        return dataclasses.replace(node, transform=_replaced(node.transform, part))
    if isinstance(node, Chain):
        return Chain([_replaced(node.parts[0], part), *node.parts[1:]])
    return part


def _latent_most(transform: object) -> Gaussianization:
    while isinstance(transform, Chain):
        transform = transform.parts[0]
    return transform  # type: ignore[return-value]


def _latents(model: PyTree, rows: Batch) -> np.ndarray:
    """Return what reaches the Gaussianization, which is the identity so far."""
    context = None if rows.context is None else jnp.asarray(rows.context).T
    return np.asarray(_latents_of(model, jnp.asarray(rows.x).T, context), np.float64).T


@compiled
def _latents_of(model: PyTree, x: Array, context: Array | None) -> Array:
    def of_block(x: Array, context: Array | None) -> Array:
        if isinstance(model, Mixed):
            return model.latents(x, context)
        given = context if model.transform.context_dim else None
        return model.transform.inverse(x, given)[0]

    return in_blocks(of_block, x, context)
