"""Solving for the inverse of an increasing function: exact, far out, differentiable, honest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pushforward.core.roots import find_root, solve_increasing

FUNCTIONS = {
    "line": lambda x: 3 * x - 5,
    "kink": lambda x: jnp.where(x > 0, 1e3 * x, 1e-3 * x),
    "almost flat": lambda x: x - 0.999999 * jnp.tanh(x),
    "cubic": lambda x: x**3 + 1e-3 * x,
    "steps": lambda x: x * 1e-2 + jax.nn.sigmoid(200 * (x - 1)) + jax.nn.sigmoid(200 * (x + 7)),
    "sinh": lambda x: jnp.sinh(jnp.clip(x, -80, 80)) + jnp.where(jnp.abs(x) > 80, x, 0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wide", [True, False], ids=["float64", "float32"])
def test_the_root_is_there(name, wide, rng):
    """f(root) is the target to a few roundings, or the next float steps over it."""
    function = FUNCTIONS[name]
    with jax.enable_x64(wide):
        sizes = 10.0 ** rng.uniform(-6, 6, 400)
        y = jnp.asarray(np.concatenate([[0.0, 1.0], sizes, -sizes]), float)
        root = jax.jit(lambda v: find_root(function, v))(y)
        assert root.converged.all()
        nearby = 200 * jnp.finfo(y.dtype).eps * (jnp.abs(root.value) + 1e-6)
        below, above = function(root.value - nearby), function(root.value + nearby)
        # f itself is computed to a few roundings of its terms, which are of order x and y.
        slack = 20 * jnp.finfo(y.dtype).eps * (jnp.abs(y) + jnp.abs(root.value))
        assert ((below - slack <= y) & (y <= above + slack)).all()


def test_far_roots_are_found_without_a_box():
    with jax.enable_x64(True):
        y = jnp.array([1e25, -1e30, 12.0, 30.0])
        np.testing.assert_allclose(solve_increasing(lambda x: x + jnp.tanh(x), y), y, atol=1.0)


def test_a_value_that_is_never_taken_is_no_number():
    """A bounded function has no inverse beyond its bounds: NaN there, and only there."""
    with jax.enable_x64(True):
        x = solve_increasing(jnp.tanh, jnp.array([0.5, 2.0, -3.0]))
        np.testing.assert_allclose(x[0], np.arctanh(0.5), rtol=1e-12)
        assert jnp.isnan(x[1:]).all()
        root = find_root(jnp.tanh, jnp.array([0.5, 2.0]))
        assert root.converged.tolist() == [True, False]
        np.testing.assert_allclose(root.residual[1], 1.0, atol=1e-6)


def test_neighbours_change_nothing(rng):
    y = jnp.asarray(rng.normal(size=50))
    together = solve_increasing(FUNCTIONS["cubic"], y)
    spoiled = y.at[3].set(jnp.nan).at[4].set(1e20)
    again = solve_increasing(FUNCTIONS["cubic"], spoiled)
    np.testing.assert_array_equal(np.delete(again, [3, 4]), np.delete(together, [3, 4]))
    assert jnp.isnan(again[3])


def test_gradients_are_those_of_the_implicit_function(rng):
    """With respect to the target and to what the function closes over; twice, both modes."""
    with jax.enable_x64(True):
        y, a = jnp.asarray(rng.normal(size=5)), jnp.asarray(rng.uniform(0.2, 2, 5))

        def solved(a, y):
            return solve_increasing(lambda x: a * x + x**3, y).sum()

        step = 1e-5
        for argument in (0, 1):
            slope = jax.grad(solved, argument)(a, y)
            forward = jax.jacfwd(solved, argument)(a, y)
            ahead, behind = (
                [a + s * step * (argument == 0), y + s * step * (argument == 1)] for s in (1, -1)
            )
            root = [jax.vmap(lambda a, y: solved(a[None], y[None]))(*v) for v in (ahead, behind)]
            np.testing.assert_allclose(slope, (root[0] - root[1]) / (2 * step), rtol=1e-6)
            np.testing.assert_allclose(slope, forward, rtol=1e-12)
        curvature = jax.jacfwd(jax.grad(solved, 1), 1)(a, y)
        x = solve_increasing(lambda x: a * x + x**3, y)
        # x′ = 1/(a + 3x²), so x″ = −6x/(a + 3x²)³.
        np.testing.assert_allclose(jnp.diag(curvature), -6 * x / (a + 3 * x**2) ** 3, rtol=1e-9)
