"""The inverse of an increasing function by solving for it: bracketed, verified, differentiable."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Values = Float[Array, "..."]

_MAX_DOUBLINGS = 130
"""Doublings of a bracket that starts at one: beyond, float32 has ended."""

_MAX_STEPS = 400
"""Halvings from the widest to the finest bracket of float32 and back to spare; float64's too."""

_ULPS = 64
"""Roundings that a residual may be off by: a function of a hundred terms loses so many."""


class Root(NamedTuple):
    """Hold a root, the residual |f(x) − y| it leaves, whether that is rounding only, and steps."""

    value: Values
    residual: Values
    converged: Array
    steps: Array


def solve_increasing(function: Callable[[Values], Values], target: Values) -> Values:
    r"""Return x with f(x) = target, elementwise, for an increasing f from R onto R.

    The gradient is that of the implicit function: dx/dθ = −(∂f/∂θ) / f′(x). An element whose
    residual is more than rounding is NaN, never a clamped value; `Density.sample` turns that
    into an error. `find_root` tells the residuals.

    Cost: about ten evaluations of f and f′ each, more where the root is far from the target.
    Source press2007recipes
    """

    def residual(x: Values) -> Values:
        return function(x) - target

    def solve(_: Callable, start: Values) -> Values:
        root = find_root(function, start)
        return jnp.where(root.converged, root.value, jnp.nan)

    def tangent_solve(slope: Callable, change: Values) -> Values:
        return change / slope(jnp.ones_like(change))

    return jax.lax.custom_root(residual, jax.lax.stop_gradient(target), solve, tangent_solve)


def find_root(function: Callable[[Values], Values], target: Values) -> Root:
    """Return where an increasing function takes the target values, with what is left.

    A bracket around the target is doubled until it holds the root; Newton steps narrow it, and a
    bisection stands in where one would leave the bracket or gains less than half. An element is
    left as it is once it has converged, so that no answer depends on its neighbours.
    """
    eps = float(jnp.finfo(target.dtype).eps)
    known = jnp.isfinite(target)
    y = jnp.where(known, target, 0.0)

    def widen(state: tuple) -> tuple:
        low, high, size, count = state
        above, below = function(low) > y, function(high) < y
        size = size * 2
        # What was an end of the wrong side is a better end of the other.
        low, high = (
            jnp.where(above, low - size, jnp.where(below, high, low)),
            jnp.where(below, high + size, jnp.where(above, low, high)),
        )
        return low, high, size, count + 1

    def unbracketed(state: tuple) -> Array:
        low, high, _, count = state
        return ((function(low) > y) | (function(high) < y)).any() & (count < _MAX_DOUBLINGS)

    one = jnp.ones_like(y)
    low, high, *_ = jax.lax.while_loop(unbracketed, widen, (y - one, y + one, one, 0))
    bracketed = (function(low) <= y) & (y <= function(high))

    def narrow(state: tuple) -> tuple:
        x, low, high, before, found, done, count = state
        # One evaluation, held fast: the compiler may round its copies of a function differently.
        value, slope = jax.lax.optimization_barrier(jax.jvp(function, (x,), (jnp.ones_like(x),)))
        error = value - y
        low, high = jnp.where(error < 0, x, low), jnp.where(error > 0, x, high)
        middle = low + (high - low) / 2
        step = error / jnp.where(slope > 0, slope, 1.0)
        newton = x - step
        useful = (slope > 0) & (newton > low) & (newton < high) & (jnp.abs(step) < before / 2)
        new = jnp.where(useful, newton, middle)
        # The last Newton step is taken where it still changes the value; then x stands.
        settled = (error == 0) | (jnp.abs(new - x) <= eps * jnp.abs(x)) | (middle == low)
        settled = settled | (middle == high)
        rounding = _ULPS * eps * (jnp.abs(y) + jnp.abs(x) * slope + slope)
        narrowest = bracketed & (high - low <= _ULPS * eps * (jnp.abs(x) + eps))
        now = (jnp.abs(error), (jnp.abs(error) <= rounding) | narrowest)
        found = jax.tree.map(lambda kept, seen: jnp.where(done, kept, seen), found, now)
        new = jnp.where(done | settled, x, new)
        before = jnp.where(useful, jnp.abs(step), high - low)
        return new, low, high, before, found, done | settled, count + 1

    def unsettled(state: tuple) -> Array:
        *_, done, count = state
        return (~done).any() & (count < _MAX_STEPS)

    none = (jnp.zeros_like(y), jnp.zeros_like(known))
    start = (jnp.clip(y, low, high), low, high, high - low, none, ~known, jnp.asarray(0))
    x, _, _, _, (residual, small), done, steps = jax.lax.while_loop(unsettled, narrow, start)
    converged = (small & done) | jnp.isinf(target)
    return Root(jnp.where(known, x, target), residual, converged, steps)
