"""flowjax's recipes: random orders between layers, a normal base with trained means and scales.

Its block network keeps its defaults, one small layer: of our sizes, half a minute holds only a
handful of epochs, and the scores are far worse.
"""

import time
from functools import partial

import equinox as eqx
import flowjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import paramax
from flowjax.bijections import Loc, RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import (
    block_neural_autoregressive_flow,
    coupling_flow,
    masked_autoregressive_flow,
)
from flowjax.train.losses import MaximumLikelihoodLoss
from flowjax.train.train_utils import step as take_step

from benchmarks.peers.recipes.common import CLIP, RATE, best_epoch, main

PART = 256
NET = {"nn_width": 64, "nn_depth": 2}
SPLINE = RationalQuadraticSpline(knots=7, interval=5)  # inner knots: eight bins

RECIPES = {
    "nice": partial(coupling_flow, transformer=Loc(0.0), flow_layers=6, **NET),
    "realnvp": partial(coupling_flow, flow_layers=6, **NET),
    "maf": partial(masked_autoregressive_flow, flow_layers=5, **NET),
    "nsf": partial(masked_autoregressive_flow, transformer=SPLINE, flow_layers=5, **NET),
    "nsf_coupling": partial(coupling_flow, transformer=SPLINE, flow_layers=5, **NET),
    "bnaf": block_neural_autoregressive_flow,
}
ABSENT = {"naf": "no neural autoregressive layer", "umnn": "no integrated layer"}


def learn(build, train, validation, test, seed, seconds):
    """Fit a flow by the library's own step and return the scores of the test rows."""
    began = time.perf_counter()
    flow = build(jax.random.key(seed), base_dist=Normal(jnp.zeros(train.shape[1])))
    is_fixed = lambda leaf: isinstance(leaf, paramax.NonTrainable)  # noqa: E731
    params, static = eqx.partition(flow, eqx.is_inexact_array, is_leaf=is_fixed)
    adam = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(RATE))
    optimizer = optax.apply_if_finite(adam, max_consecutive_errors=np.iinfo(np.int32).max)
    state, loss = optimizer.init(params), MaximumLikelihoodLoss()

    def step(rows):
        nonlocal params, state
        params, state, value = take_step(
            params, static, train[rows], optimizer=optimizer, opt_state=state, loss_fn=loss
        )
        value.block_until_ready()

    best, info = best_epoch(
        len(train),
        step,
        lambda: -float(loss(params, static, validation)),
        lambda: params,
        seed,
        began,
        seconds,
    )
    log_prob = eqx.filter_jit(lambda rows: paramax.unwrap(eqx.combine(best, static)).log_prob(rows))
    parts = [np.asarray(log_prob(test[i : i + PART])) for i in range(0, len(test), PART)]
    return {
        "log_prob": np.concatenate(parts).astype(np.float64),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        **info,
    }


if __name__ == "__main__":
    main(learn, RECIPES, ABSENT, flowjax.__version__)
