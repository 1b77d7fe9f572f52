"""What is arranged for speed changes nothing: stages, blocks, layers made at once, one vector."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pushforward.core.blocks import in_blocks
from pushforward.core.parameters import layout_of, partition
from pushforward.core.programs import SCORING, jit
from pushforward.core.stages import apart
from pushforward.fitting.noise import thin
from pushforward.models import build
from pushforward.models.stack import Net, _layer
from pushforward.transforms import RationalQuadraticSpline, spline

ODD = {"not a number": np.nan, "infinite": np.inf, "minus infinity": -np.inf, "zero": 0.0}


def function(x, y):
    return jnp.sin(x) * y, x + y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first", ODD)
def test_stages_compute_whatever_the_first_value_is(first, dtype, rng):
    x = rng.normal(size=(3, 20)).astype(dtype)
    x.flat[0] = ODD[first]
    with jax.enable_x64(dtype == np.float64):
        staged = jax.jit(lambda x: apart(x)(function, x, 2 * x))
        for a, b in zip(staged(x), jax.jit(function)(x, 2 * x), strict=True):
            assert a.dtype == b.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=1e-6)
        # What keeps the compiler from joining them is still there when it is done.
        assert " conditional(" in staged.lower(x).compile().as_text()


def test_stages_of_nothing():
    x = jnp.zeros((3, 0))
    assert apart(x)(function, x, x)[0].shape == (3, 0)


@pytest.mark.parametrize("first", ODD)
@pytest.mark.parametrize("way", ["_evaluate", "_solve", "_evaluate_gradient"])
def test_a_spline_in_stages(way, first, rng):
    """The same operations in the same order: rounding alone may differ."""
    v = 3 * rng.normal(size=(4, 30))
    v.flat[0] = ODD[first]
    raw = [2 * rng.normal(size=(k, 4, 30)) for k in (8, 8, 7)]
    more = rng.normal(size=(2, 4, 30)) if way == "_evaluate_gradient" else []
    arrays = [jnp.asarray(a, jnp.float32) for a in (v, *raw, *more)]
    together = jax.jit(lambda *a: getattr(spline, way)(5.0, spline.together, *a))(*arrays)
    staged = jax.jit(lambda *a: spline._apart(getattr(spline, way), 5.0, *a))(*arrays)
    for a, b in zip(staged, together, strict=True):
        scale = np.nanmax(np.abs(np.where(np.isfinite(b), b, np.nan)))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * scale)


def test_the_splines_gradient_is_that_of_its_formula(rng):
    """In float64 the closed form and automatic differentiation agree to rounding."""
    with jax.enable_x64(True):
        v, raw = 3 * rng.normal(size=(3, 50)), [2 * rng.normal(size=(k, 3, 50)) for k in (8, 8, 7)]
        g = tuple(jnp.asarray(rng.normal(size=(2, 3, 50))))
        plain = lambda *a: spline._evaluate(5.0, spline.together, *a)  # noqa: E731
        expected = jax.vjp(plain, *map(jnp.asarray, (v, *raw)))[1](g)
        found = spline._evaluate_gradient(5.0, spline.together, *map(jnp.asarray, (v, *raw)), *g)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("shared", [(8, 1, 1), (8, 3, 1)])
def test_parameters_that_values_share_get_the_sum_of_their_gradients(shared, rng):
    template = RationalQuadraticSpline(8)
    raw = jnp.asarray(rng.normal(size=shared), jnp.float32)
    x = jnp.asarray(2 * rng.normal(size=(3, 20)), jnp.float32)

    def loss(heights, of):
        z, log_slope = of(x, jnp.zeros_like(heights), heights, jnp.zeros((7, *shared[1:])))
        return (z * jnp.arange(20.0)).sum() + log_slope.sum()

    own = jax.grad(loss)(raw, spline._staged(spline._evaluate, template.bound))
    plain = jax.grad(loss)(raw, lambda *a: spline._evaluate(5.0, spline.together, *a))
    np.testing.assert_allclose(own, plain, rtol=1e-4, atol=1e-4)


def test_options_of_a_compiler_that_are_not_known_are_left_out():
    assert jit(lambda x: 2 * x, options={"xla_of_another_version": True})(3.0) == 6.0
    assert jit(lambda x: 2 * x, options=SCORING)(3.0) == 6.0


def test_sizes_may_be_lists():
    """In a process of its own, where types of arguments are not checked."""
    code = (
        "import jax; from pushforward.models import nsf\n"
        "nsf(3, key=jax.random.key(0), hidden=[8, 8], parents=[[], [0], [0, 1]])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("n", [1, 40, 41, 79, 97])
def test_rows_in_blocks(n, monkeypatch, rng):
    monkeypatch.setattr("pushforward.core.blocks._NUMBERS", 120)
    x, c = jnp.asarray(rng.normal(size=(3, n))), jnp.asarray(rng.normal(size=(2, n)))
    w = jnp.asarray(rng.normal(size=(3, 2)))

    def of(w, x, c):
        return jnp.sin(x) * (w @ c), (w.T @ x * c).sum(0)

    def summed(call):
        return lambda w, x: sum((part**2).sum() for part in call(w, x))

    blocks = lambda w, x: in_blocks(lambda x, c: of(w, x, c), x, c)  # noqa: E731
    whole = lambda w, x: of(w, x, c)  # noqa: E731
    for a, b in zip(blocks(w, x), whole(w, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(*(jax.grad(summed(f), (0, 1))(w, x) for f in (blocks, whole)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert in_blocks(lambda x, c: x[0], x, None).shape == (n,)


def test_densities_and_samples_of_many_rows_are_those_of_few(monkeypatch, rng):
    flow = build("nsf", 3, key=jax.random.key(1), context_dim=2, hidden=(8,), layers=2)
    params, _ = partition(flow)
    noise = [0.3 * jnp.asarray(rng.normal(size=p.shape), p.dtype) for p in jax.tree.leaves(params)]
    flow = eqx.apply_updates(flow, jax.tree.unflatten(jax.tree.structure(params), noise))
    x, c = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    whole = flow.log_prob(x, c), flow.sample(jax.random.key(0), None, c)
    jax.clear_caches()
    monkeypatch.setattr("pushforward.core.blocks._NUMBERS", 40)
    parts = flow.log_prob(x, c), flow.sample(jax.random.key(0), None, c)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    jax.clear_caches()


def test_gates_of_each_row_are_not_cut(monkeypatch):
    monkeypatch.setattr("pushforward.core.blocks._NUMBERS", 40)
    flow = build("nsf", 3, key=jax.random.key(1), hidden=(8,), layers=2)
    thinned = thin(flow, 0.3, 50, jax.random.key(2))
    assert thinned.log_prob(jnp.zeros((50, 3))).shape == (50,)
    jax.clear_caches()


@pytest.mark.parametrize("coupling", [False, True])
def test_layers_made_at_once_are_those_made_alone(coupling):
    net = Net(0, (16, 16), "relu", False)
    shared = 5, RationalQuadraticSpline(4), net, coupling, True, False
    whole = build(
        "nsf",
        5,
        key=jax.random.key(3),
        layers=4,
        hidden=(16, 16),
        bins=4,
        linear=True,
        coupling=coupling,
    ).transform.stacked
    keys = jax.random.split(jax.random.key(3), 4)
    for i, key in enumerate(keys):
        alone = _layer(*shared, jnp.asarray(i), key)
        assert jax.tree.structure(alone) == jax.tree.structure(whole)
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(whole), strict=True):
            np.testing.assert_allclose(a, b[i], rtol=1e-6, atol=1e-7)


def test_a_vector_holds_all_parameters(rng):
    params = {"a": jnp.asarray(rng.normal(size=(2, 3)), jnp.float32), "b": (jnp.float32(2.0), None)}
    layout = layout_of(params)
    vector = layout.vector(params)
    assert vector.shape == (7,)
    back = layout.tree(vector)
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert layout_of({}).vector({}).shape == (0,)
