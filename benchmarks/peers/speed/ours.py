"""pushforward's recipes: steps in a compiled loop, as `fit` takes them; the rest as users call."""

from functools import partial

import jax
import optax

import pushforward as pf
from benchmarks.peers.speed.common import RATE, serve

BUILD = partial(pf.models.build, layers=5, hidden=(64, 64))
RECIPES = {
    "maf": partial(BUILD, "maf"),
    "nsf": partial(BUILD, "nsf", bins=8),
    "nsf_coupling": partial(BUILD, "nsf", bins=8, coupling=True),
}


def prepare(build, dim, seed):
    """Return the number of free parameters and what does the works."""
    model = build(dim, key=jax.random.key(seed))
    params, rest = pf.partition(model)
    adam = optax.adam(RATE)
    state = adam.init(params)

    @jax.jit
    def learn(params, state, rows, calls):
        def step(_, carry):
            params, state = carry
            loss = lambda p: -pf.combine(p, rest).log_prob(rows).mean()  # noqa: E731
            updates, state = adam.update(jax.grad(loss)(params), state)
            return optax.apply_updates(params, updates), state

        return jax.lax.fori_loop(0, calls, step, (params, state))

    def work(name, rows, calls):
        nonlocal params, state
        done = None
        if name == "train":
            params, state = learn(params, state, rows, calls)
            calls = 0
        for _ in range(calls):
            if name == "log_prob":
                done = model.log_prob(rows)
            else:
                done = model.sample(jax.random.key(seed), len(rows))
        jax.block_until_ready((params, done))

    return pf.core.count_parameters(model), work


if __name__ == "__main__":
    serve(RECIPES, pf.__version__, prepare)
