"""Swapped programs: value and reverse mode are theirs, all else is the function's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pushforward.core.swapped import swapped

RAN = []


def function(x, w):
    return jnp.sin(x) * w, (x * x * w).sum(0)


def gradient(x, w, g, h):
    RAN.append("gradient")
    return jax.vjp(function, x, w)[1]((g, h))


def native(x, w):
    RAN.append("native")
    return function(x, w)


own = swapped(function, gradient=gradient, native=native)


def loss(of):
    return lambda x, w: (lambda a, b: a.sum() * b)(*of(x, w))


@pytest.fixture
def arrays(rng):
    RAN.clear()
    return jnp.asarray(rng.normal(size=3)), jnp.asarray(rng.normal(size=3))


def test_values_and_gradients_are_those_given(arrays):
    for a, b in zip(own(*arrays), function(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert RAN == ["native"]
    found = jax.jit(jax.grad(loss(own), (0, 1)))(*arrays)
    np.testing.assert_allclose(found, jax.grad(loss(function), (0, 1))(*arrays), rtol=1e-5)
    assert "gradient" in RAN


both = (0, 1)
DERIVED = {
    "forward": lambda f: jax.jacfwd(f, both),
    "forward over reverse": lambda f: jax.hessian(f, both),
    "reverse over reverse": lambda f: jax.jacrev(jax.grad(f, both), both),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f, both), both),
    "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(f, both), both),
    "vmap": lambda f: lambda x, w: jax.vmap(f, (0, None))(jnp.stack([x, 2 * x]), w),
    "vmap of gradients": lambda f: (
        lambda x, w: jax.vmap(jax.grad(f, both), (None, 0))(x, jnp.stack([w, 2 * w]))
    ),
    "gradient of vmap": lambda f: jax.grad(
        lambda x, w: jax.vmap(f, (None, 0))(x, jnp.stack([w, 2 * w])).sum(), both
    ),
}


@pytest.mark.parametrize("name", DERIVED)
def test_what_else_is_derived_is_the_functions_own(name, arrays):
    found, expected = (jax.tree.leaves(DERIVED[name](loss(f))(*arrays)) for f in (own, function))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_within_a_scan_that_computes_again(arrays):
    def total(of):
        def run(x, w):
            step = jax.checkpoint(lambda c, v: (of(c, v)[0] + c, None), prevent_cse=False)
            return jax.lax.scan(step, x, jnp.stack([w, 2 * w, w]))[0].sum()

        return run

    found = jax.jit(jax.grad(total(own), (0, 1)))(*arrays)
    np.testing.assert_allclose(
        found, jax.grad(total(function), (0, 1))(*arrays), rtol=1e-5, atol=1e-5
    )
