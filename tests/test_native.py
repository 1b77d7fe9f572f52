"""Native layers: what JAX computes, to rounding; the rest falls back, and nothing else changes."""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pushforward import native
from pushforward.core.parameters import Buffer, combine, partition
from pushforward.transforms import Coupling, MaskedAutoregressive, RationalQuadraticSpline
from pushforward.transforms.conditioned import serves
from pushforward.transforms.elementwise import BoundedAffine, Shift

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not native.is_there(), reason="no compiler at installation")

LAYERS = {
    "autoregressive spline": (MaskedAutoregressive, 5, RationalQuadraticSpline(8), {}),
    "autoregressive affine": (MaskedAutoregressive, 5, BoundedAffine(), {}),
    "with a context": (MaskedAutoregressive, 3, RationalQuadraticSpline(8), {"context_dim": 2}),
    "one feature, given a context": (
        MaskedAutoregressive,
        1,
        RationalQuadraticSpline(8),
        {"context_dim": 2},
    ),
    "one feature": (MaskedAutoregressive, 1, RationalQuadraticSpline(8), {}),
    "many features in uneven nets": (
        MaskedAutoregressive,
        21,
        RationalQuadraticSpline(5, 3.0),
        {"hidden": (33, 20, 47)},
    ),
    "one level": (MaskedAutoregressive, 4, RationalQuadraticSpline(32), {"hidden": (16,)}),
    "coupling spline": (Coupling, 5, RationalQuadraticSpline(8), {"context_dim": 2}),
    "coupling affine": (Coupling, 6, BoundedAffine(1.0), {"hidden": (9, 70)}),
    "autoregressive with absent features": (
        MaskedAutoregressive,
        5,
        RationalQuadraticSpline(8),
        {"partial": True, "context_dim": 1},
    ),
    "coupling with absent features": (Coupling, 5, RationalQuadraticSpline(8), {"partial": True}),
    "affine with absent features": (MaskedAutoregressive, 4, BoundedAffine(), {"partial": True}),
    "coupling that keeps nothing": (Coupling, 2, BoundedAffine(), {"n_kept": 0, "context_dim": 1}),
}


def made(name, seed, scale=0.5, dtype=jnp.float32):
    """Return a layer with rough parameters."""
    kind, dim, template, options = LAYERS[name]
    layer = kind(dim, template, key=jax.random.key(seed), **options)
    leaves, structure = jax.tree.flatten(layer)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    rough = [v + scale * jax.random.normal(k, v.shape) for v, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, [v.astype(dtype) for v in rough])


def rows(layer, shape, seed):
    keys = jax.random.split(jax.random.key(seed), 2)
    x = 2 * jax.random.normal(keys[0], (layer.dim, *shape), jnp.float32)
    if layer.partial:
        x = jnp.where(jax.random.bernoulli(keys[1], 0.3, x.shape), jnp.nan, x)
    c = jax.random.normal(keys[1], (layer.context_dim, *shape), jnp.float32)
    return x, c if layer.context_dim else None


def everything(layer, x, c):
    """Return both directions, and the gradients of a sum of what the way to z gives."""

    def loss(parts):
        z, dlogp = parts[0].inverse(*parts[1:])
        z = jnp.where(jnp.isnan(z), 0.0, z)
        return (z * jnp.arange(1.0, z.size + 1).reshape(z.shape)).mean() + (dlogp**2).mean()

    params, rest = partition(layer)
    grads = jax.grad(lambda p: loss((combine(p[0], rest), *p[1:])))((params, x, c))
    return layer.inverse(x, c), layer.forward(x, c), layer.generate(x, c), grads


def by_jax(monkeypatch, function, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(native, "is_there", lambda: False)
        return jax.jit(function)(*arguments)


def to(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("name", LAYERS)
def test_it_is_as_near_to_the_truth_as_jax(name, scale, monkeypatch):
    """Errors against float64 are at most thrice those of JAX's own float32."""
    layer = made(name, 3, scale)
    x, c = rows(layer, (130,), 5)
    assert serves(layer.trunk, layer.heads, x)
    found = jax.jit(everything)(layer, x, c)
    expected = by_jax(monkeypatch, everything, layer, x, c)
    with jax.enable_x64(True):
        truth = by_jax(monkeypatch, everything, *to((layer, x, c), jnp.float64))
    trees = (jax.tree.leaves(tree) for tree in (found, expected, truth))
    for a, b, exact in zip(*trees, strict=True):
        a, b, exact = (np.asarray(v, np.float64) for v in (a, b, exact))
        np.testing.assert_array_equal(np.isnan(a), np.isnan(exact))
        a, b, exact = (np.nan_to_num(v) for v in (a, b, exact))
        size = np.abs(exact).max(initial=1e-6)
        assert (
            np.abs(a - exact).max(initial=0) <= 3 * np.abs(b - exact).max(initial=0) + 2e-6 * size
        )


@pytest.mark.parametrize("shape", [(), (1,), (63,), (64,), (3, 25)])
def test_any_number_of_rows(shape, monkeypatch):
    layer = made("with a context", 1, 0.3)
    x, c = rows(layer, shape, 2)
    found = jax.jit(everything)(layer, x, c)
    expected = by_jax(monkeypatch, everything, layer, x, c)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_one_context_for_all_rows(monkeypatch):
    layer = made("coupling spline", 1, 0.3)
    x, c = rows(layer, (70,), 2)
    found = jax.jit(everything)(layer, x, c[:, 0])
    expected = by_jax(monkeypatch, everything, layer, x, c[:, 0])
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("per_row", [True, False])
def test_gates_silence_units(per_row, monkeypatch):
    layer = made("autoregressive spline", 4, 0.5)
    x, _ = rows(layer, (200,), 2)
    widths = layer.trunk.hidden
    keys = jax.random.split(jax.random.key(9), len(widths))
    gates = tuple(
        Buffer(2.0 * jax.random.bernoulli(k, 0.5, (w, 200) if per_row else (w,)))
        for k, w in zip(keys, widths, strict=True)
    )
    layer = eqx.tree_at(lambda v: v.trunk.gates, layer, gates, is_leaf=lambda v: v is None)
    assert serves(layer.trunk, layer.heads, x)
    run = lambda layer: layer.inverse(x)  # noqa: E731
    for a, b in zip(jax.jit(run)(layer), by_jax(monkeypatch, run, layer), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    loss = lambda p, rest: sum(v.sum() for v in combine(p, rest).inverse(x))  # noqa: E731
    params, rest = partition(layer)
    found = jax.jit(jax.grad(loss))(params, rest)
    expected = by_jax(monkeypatch, jax.grad(loss), params, rest)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


def test_what_is_no_number_stays_none(monkeypatch):
    """A row with NaN or infinity has no finite answer where JAX has none, and harms no other."""
    layer = made("autoregressive spline", 2, 0.3)
    x, _ = rows(layer, (130,), 2)
    bad = x.at[2, 5].set(jnp.nan).at[0, 77].set(jnp.inf).at[4, 129].set(-jnp.inf)
    clean = np.delete(np.arange(130), [5, 77, 129])
    run = lambda layer, x: layer.inverse(x)  # noqa: E731
    z, dlogp = jax.jit(run)(layer, bad)
    assert not np.isfinite(z[:, [5, 77, 129]]).all(0).any()
    for a, b in zip((z, dlogp), jax.jit(run)(layer, x), strict=True):
        np.testing.assert_array_equal(a[..., clean], b[..., clean])
    broken = eqx.tree_at(lambda v: v.heads.weights[0], layer, layer.heads.weights[0] * jnp.nan)
    assert np.isnan(jax.jit(run)(broken, x)[1]).all()


def test_forward_mode_and_second_derivatives(monkeypatch):
    layer = made("with a context", 3, 0.3)
    x, c = rows(layer, (4,), 2)
    total = lambda x: sum(v.sum() for v in layer.inverse(x, c))  # noqa: E731
    for derive in (jax.jacfwd, jax.hessian, lambda f: jax.jacrev(jax.grad(f))):
        np.testing.assert_allclose(
            derive(total)(x), by_jax(monkeypatch, derive(total), x), rtol=2e-3, atol=2e-3
        )
    each = jax.vmap(lambda x, c: layer.inverse(x, c)[1], 1)
    np.testing.assert_allclose(each(x, c), layer.inverse(x, c)[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "other",
    [
        {"activation": "tanh"},
        {"residual": True},
        {"parents": ((), (0,), (1,))},
        {"template": Shift()},
        {"template": RationalQuadraticSpline(40)},
        {"hidden": (8,) * 9},
    ],
)
def test_what_it_does_not_know_it_leaves_to_jax(other):
    options = {"template": RationalQuadraticSpline(8), "key": jax.random.key(0)} | other
    layer = MaskedAutoregressive(3, **options)
    x = jnp.zeros((3, 4), jnp.float32)
    assert not serves(layer.trunk, layer.heads, x)
    assert np.isfinite(layer.inverse(x)[1]).all()


def test_float64_is_left_to_jax():
    layer = made("autoregressive spline", 0)
    with jax.enable_x64(True):
        assert not serves(layer.trunk, layer.heads, jnp.zeros((5, 3), jnp.float64))
        assert not serves(*to((layer.trunk, layer.heads), jnp.float64), jnp.zeros((5, 3)))


def test_each_set_of_instructions(tmp_path):
    """Wider vectors compute the same; a machine without them computes it twice."""
    code = (
        "import sys; sys.path[:0] = ['tests', 'src']; from test_native import *\n"
        "layer = made('many features in uneven nets', 3, 0.3)\n"
        "out = jax.jit(everything)(layer, *rows(layer, (100,), 5))\n"
        "np.savez(sys.argv[1], *map(np.asarray, jax.tree.leaves(out)))\n"
    )
    found = []
    for instructions in ("avx2", "avx512"):
        path = tmp_path / f"{instructions}.npz"
        environment = os.environ | {"PUSHFORWARD_NATIVE": instructions}
        command = [sys.executable, "-c", code, str(path)]
        subprocess.run(command, env=environment, check=True, cwd=ROOT)
        found.append(list(np.load(path).values()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
