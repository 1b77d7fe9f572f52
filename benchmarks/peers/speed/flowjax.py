"""flowjax's flows, by its own training step; scores and samples compiled, as its users do."""

import equinox as eqx
import flowjax
import jax
import jax.numpy as jnp
import optax
import paramax
from flowjax.distributions import Normal
from flowjax.train.losses import MaximumLikelihoodLoss
from flowjax.train.train_utils import step as take_step

from benchmarks.peers.recipes.flowjax import RECIPES
from benchmarks.peers.speed.common import RATE, serve


def prepare(build, dim, seed):
    """Return the number of free parameters and what does the works."""
    flow = build(jax.random.key(seed), base_dist=Normal(jnp.zeros(dim)))
    is_fixed = lambda leaf: isinstance(leaf, paramax.NonTrainable)  # noqa: E731
    params, static = eqx.partition(flow, eqx.is_inexact_array, is_leaf=is_fixed)
    adam, loss = optax.adam(RATE), MaximumLikelihoodLoss()
    state = adam.init(params)
    log_prob = eqx.filter_jit(lambda flow, rows: flow.log_prob(rows))
    sample = eqx.filter_jit(lambda flow, key, n: flow.sample(key, (n,)))

    def work(name, rows, calls):
        nonlocal params, state
        done = None
        for _ in range(calls):
            if name == "log_prob":
                done = log_prob(flow, rows)
            elif name == "sample":
                done = sample(flow, jax.random.key(seed), len(rows))
            else:
                params, state, done = take_step(
                    params, static, rows, optimizer=adam, opt_state=state, loss_fn=loss
                )
        jax.block_until_ready((params, done))

    return sum(leaf.size for leaf in jax.tree.leaves(params)), work


if __name__ == "__main__":
    serve(RECIPES, flowjax.__version__, prepare)
