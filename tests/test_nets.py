"""Nets as they begin."""

import jax
import numpy as np
import pytest

from pushforward.nets.mlp import Trunk


@pytest.mark.parametrize("degrees", [None, (0, 1, 2, 3)])
def test_first_weights_lie_within_one_over_the_root_of_the_inputs(degrees):
    """Uniform: none outside, mean zero, variance a third of the bound's square."""
    trunk = Trunk(4, (300, 200), key=jax.random.key(2), context_dim=5, degrees=degrees)
    first = np.concatenate([trunk.first, trunk.from_context], 1)
    for weight, inputs in ((first, 9), (np.asarray(trunk.weights[0]), 300)):
        scaled = weight * np.sqrt(inputs)
        assert np.abs(scaled).max() <= 1 + 1e-6
        # Five standard errors of a mean of uniform draws, and of their squares.
        assert abs(scaled.mean()) < 5 * np.sqrt(1 / 3 / scaled.size)
        assert abs((scaled**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / scaled.size)
