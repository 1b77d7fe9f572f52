"""Compiled functions: once for inputs of a kind, and the last few kinds are kept."""

import jax.numpy as jnp
import numpy as np

from pushforward.core.programs import KEPT, compiled


def test_a_kind_of_inputs_is_compiled_once_and_few_are_kept():
    traced = []

    @compiled
    def total(values, how, scale=None):
        traced.append((values["x"].shape, how))
        return how(values["x"]) * (1.0 if scale is None else scale)

    for n in (3, 3, 4, 3):
        assert float(total({"x": jnp.arange(float(n))}, jnp.sum)) == n * (n - 1) / 2
    assert traced == [((3,), jnp.sum), ((4,), jnp.sum)]
    assert float(total({"x": np.arange(3.0)}, jnp.max, 2.0)) == 4
    assert len(traced) == 3
    for n in range(10, 10 + KEPT):
        total({"x": jnp.zeros(n)}, jnp.sum)
    total({"x": jnp.arange(3.0)}, jnp.sum)
    assert traced[-1] == ((3,), jnp.sum)
    assert len(traced) == 3 + KEPT + 1
