"""Products of masked weights, taken in stripes: the same as products of zeroed ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from laws import perturbed
from pushforward.models.registry import build
from pushforward.nets.mlp import allowed, product


@pytest.fixture(autouse=True)
def _small_products_in_stripes(monkeypatch):
    monkeypatch.setattr("pushforward.nets.mlp._STRIPED", 2048)


@pytest.mark.parametrize("shape", [(3, 60, 96), (61, 128)])
def test_masked_product(rng, shape):
    """Ascending degrees, some rows that see nothing; in float64 nothing but the order of sums."""
    *_, rows, width = shape
    degrees = np.sort(rng.integers(5, rows, width))
    weight, units = rng.standard_normal(shape), rng.standard_normal((width, 7, 2))
    random = rng.random((rows, width)) < 0.3
    random[: rows // 2] = False
    with jax.enable_x64(True):
        for mask in (allowed(np.arange(rows), degrees), random):
            found = product(jnp.asarray(weight), jnp.asarray(units), mask)
            wanted = np.tensordot(np.where(mask, weight, 0.0), units, 1)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("context_dim", [0, 2])
def test_wide_layers_return(rng, context_dim):
    """Generating takes whole masked matrices, one feature at a time; the inverse stripes."""
    dim = 24
    with jax.enable_x64(True):
        flow = build(
            "maf", dim, key=jax.random.key(1), context_dim=context_dim, hidden=(128, 128), layers=2
        )
        flow = perturbed(flow, rng, 0.3).transform
        z = jnp.asarray(rng.standard_normal((dim, 9)))
        context = jnp.asarray(rng.standard_normal((context_dim, 9))) if context_dim else None
        x = flow.generate(z, context)
        assert np.abs(np.asarray(x) - np.asarray(z)).max() > 0.1
        np.testing.assert_allclose(flow.inverse(x, context)[0], z, atol=1e-8)
