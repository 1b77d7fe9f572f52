"""Points, and what our constraints make of raw parameters, by the docstrings' formulas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import pushforward as pf

N, DIM, BINS = 256, 4, 8
KEY = jax.random.key(0)
UNIT = np.log(np.expm1(1 - 1e-3))


def registry():
    """Return a dictionary of cases and the decorator that puts a function into it."""
    cases = {}

    def case(function):
        cases[function.__name__] = function
        return function

    return cases, case


def positive(raw):
    return np.logaddexp(raw + UNIT, 0) + 1e-3


def bounded(raw, limit=3.0):
    return limit * np.tanh(raw / limit)


def softmax(raw):
    weight = np.exp(raw - raw.max(0))
    return weight / weight.sum(0)


def given(model, **leaves):
    """Return the model with these leaves."""
    values = [jnp.asarray(value) for value in leaves.values()]
    return eqx.tree_at(lambda m: [getattr(m, name) for name in leaves], model, values)


def randomized(model, rng, scale):
    params, rest = pf.partition(model)
    drawn = jax.tree.map(lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape)), params)
    return pf.combine(drawn, rest)


def points(rng, dim=DIM, scale=2.0):
    """Draw rows with heavy tails: many inside any box, some far outside."""
    return scale * rng.standard_t(3, (N, dim))


def both(rng, dim=DIM):
    return {"x": points(rng, dim), "z": points(rng, dim)}


def inside(rng, bound, dim=DIM):
    return {name: bound * rng.uniform(-1, 1, (N, dim)) for name in "xz"}


def reached(ours, rng, bound):
    """Draw data inside the box, and latents that ours makes of other such data."""
    x, other = bound * rng.uniform(-1, 1, (2, N, DIM))
    return {"x": x, "z": np.asarray(ours.inverse(other.T)[0]).T}
