"""Laws of every case: rows apart, finite numbers, one meaning however it is called, learning."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from laws.inputs import hard_points, learned, numbers, numbers_of, points
from pushforward.core import Buffer, Density, combine, partition
from pushforward.transforms.compose import Scan


def rows_are_separate(case, thing, rng):
    """A NaN, or any change, in one row leaves every other row's numbers and slopes alone."""
    x, context = points(case, rng, 6)
    spoiled = x.at[:, 2].set(jnp.nan)
    others = np.array([0, 1, 3, 4, 5])
    before, changed, after = (
        numbers(thing, v, context) for v in (x, x.at[:, 2].set(x[:, 0]), spoiled)
    )
    for a, *rest in zip(before, changed, after, strict=True):
        for b in rest:
            np.testing.assert_array_equal(np.asarray(a)[..., others], np.asarray(b)[..., others])
    assert not all(np.isfinite(np.asarray(value)[..., 2]).all() for value in after)
    slope = jax.jit(jax.grad(lambda v: numbers_of(thing)(v, context)[-1][others].sum()))
    np.testing.assert_array_equal(slope(x)[:, others], slope(spoiled)[:, others])


def finite_everywhere(case, thing, rng):
    """Values and gradients are finite on knots, beside edges and far outside; never NaN."""
    x, context = hard_points(case, rng)
    unbounded = not np.isfinite(case.edges).any()
    if unbounded:
        x = x.at[:, :2].set(jnp.array([-1e8, 1e6]))
    for value in numbers(thing, x, context):
        assert np.isfinite(np.asarray(value)).all()
    params, rest = partition(thing)

    def total(params, x):
        return numbers_of(combine(params, rest))(x, context)[-1].sum()

    for gradient in jax.tree.leaves(jax.jit(jax.grad(total, argnums=(0, 1)))(params, x)):
        assert np.isfinite(np.asarray(gradient)).all()
    if unbounded:  # where float32 cannot hold a square, a density may say −inf
        x = x.at[:, 0].set(1e30).at[:, 1].set(-1e30)
        for value in numbers(thing, x, context):
            assert not np.isnan(np.asarray(value)).any()


def called_in_any_way(case, thing, rng):
    """A batch = one row at a time = the user's own vmap (float64, to a few ulps × condition)."""
    x, context = points(case, rng, 5)
    batch = numbers(thing, x, context)
    axes = (1, None if context is None else 1)
    mapped = jax.jit(lambda m: jax.vmap(numbers_of(m), axes, -1)(x, context))(thing)
    single = numbers(thing, x[:, 3], None if context is None else context[:, 3])
    for a, b, c in zip(batch, mapped, single, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(c, np.asarray(a)[..., 3], rtol=1e-10, atol=1e-10)


def compiled_is_eager(case, thing, rng):
    """jit = eager (float64)."""
    x, context = points(case, rng, 3)
    if isinstance(thing, Density):  # whose public method compiles itself
        eager = (thing._log_prob(x, context),)
    else:
        eager = numbers_of(thing)(x, context)
    for a, b in zip(numbers(thing, x, context), eager, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def scan_is_chain(case, thing, rng):
    """A scan over layers = the chain of them (float64)."""
    x, context = points(case, rng, 4)
    is_scan = lambda node: isinstance(node, Scan)  # noqa: E731
    chained = jax.tree.map(lambda n: n.unstack() if is_scan(n) else n, thing, is_leaf=is_scan)
    assert jax.tree.structure(chained) != jax.tree.structure(thing)
    for a, b in zip(numbers(thing, x, context), numbers(chained, x, context), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def sharded_is_single(case, thing, rng):
    """Rows spread over two devices = rows on one (float64)."""
    assert len(jax.devices()) >= 2, "run with --xla_force_host_platform_device_count=2"
    rows = Mesh(np.array(jax.devices()[:2]), ("rows",))
    x, context = points(case, rng, 8)
    spread = NamedSharding(rows, PartitionSpec(None, "rows"))
    on_two = jax.device_put((x, context), spread)
    for a, b in zip(numbers(thing, x, context), numbers(thing, *on_two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def leaves_move(case, thing, rng):
    """After two steps of maximum likelihood every leaf has moved, and no buffer has."""
    x, context = points(case, rng, 64)
    params, rest = partition(thing)

    def loss(params):
        model = combine(params, rest)
        if isinstance(model, Density):
            return -numbers_of(model)(x, context)[-1].mean()
        z, dlogp = model.inverse(x, context)
        return -(jax.scipy.stats.norm.logpdf(z).sum(0) + dlogp).mean()

    after = learned(loss, params, optax.adam(1e-2), 2)
    leaves = list(zip(jax.tree.leaves(params), jax.tree.leaves(after), strict=True))
    assert all((np.asarray(a) != np.asarray(b)).any() for a, b in leaves)
    for a, b in zip(buffers(thing), buffers(combine(after, rest)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert bool(leaves) == case.trains


def buffers(thing):
    """Return the arrays of a case's buffers, found without asking `partition`."""

    def is_buffer(node):
        return isinstance(node, Buffer)

    found = filter(is_buffer, jax.tree.leaves(thing, is_leaf=is_buffer))
    return [leaf for buffer in found for leaf in jax.tree.leaves(buffer)]
