"""The laws: what must hold for every transform, density and model.

Each takes a built case and a numpy generator and asserts. Float64 is on where a law is about
exactness, off where it is about what float32 makes of it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

from pushforward.core import Density, Transform, combine, partition

EPS = {np.dtype("float32"): 1.2e-7, np.dtype("float64"): 2.3e-16}
EXTREMES = (0.0, 1e-6, 1.0, 10.0, 1e2, 1e4)


def perturbed(thing, rng, sd):
    """Return the case with every trainable leaf moved by Gaussian noise."""
    params, rest = partition(thing)
    moved = jax.tree.map(
        lambda leaf: leaf + sd * jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype), params
    )
    return combine(moved, rest)


def points(case, rng, n):
    """Return data points inside the support, features first."""
    dtype = jnp.result_type(float)
    x = jnp.asarray(rng.uniform(case.low, case.high, (case.dim, n)), dtype)
    context = None
    if case.context_dim:
        context = jnp.asarray(rng.standard_normal((case.context_dim, n)), dtype)
    return x, context


def transform_of(thing):
    """Return a case's transform: itself, or that of the flow."""
    return thing if isinstance(thing, Transform) else thing.transform


@jax.jit
def inverse(transform, x, context):
    return transform.inverse(x, context)


@jax.jit
def forward(transform, z, context):
    return transform.forward(z, context)


@jax.jit
def numbers(thing, x, context):
    """Return everything the case answers, features first; the last is dlogp or log p."""
    return _all_numbers(thing)(x, context)


@jax.jit
def jacobian_of_inverse(transform, x, context):
    return _jacobian(lambda v, c: transform.inverse(v, c)[0], x, context)


@jax.jit
def jacobian_of_forward(transform, z, context):
    return _jacobian(lambda v, c: transform.forward(v, c)[0], z, context)


@jax.jit
def log_prob(density, rows, context):
    return density.log_prob(rows, context)


@functools.partial(jax.jit, static_argnums=2)
def sample(density, key, n, context):
    return density.sample(key, n, context)


# -- 1: round trip ------------------------------------------------------------------------------


def round_trip(case, thing, rng):
    """x → z → x and z → x → z agree to what the arithmetic's rounding can do to them.

    Backward error: the returned x̃ = f(z) must be explained by errors of a few ulps in z and x,
    |x̃ − x| ≤ C·eps·(|x| + Σ_j |∂x/∂z_j|·(|z_j| + 1)), C = 300 for a few layers of nets.
    """
    t = transform_of(thing)
    x, context = points(case, rng, 24)
    if case.low == -3.0:
        extremes = [s * e for e in EXTREMES for s in (1, -1)]
        x = x.at[:, : len(extremes)].set(jnp.asarray(extremes, x.dtype)[None])
    z, there = inverse(t, x, context)
    back, again = forward(t, z, context)
    eps = EPS[np.dtype(x.dtype)]
    jacobian = np.abs(np.asarray(jacobian_of_forward(t, z, context)))
    size = np.abs(np.asarray(z)).T[:, None, :] + 1
    slack = np.abs(np.asarray(x)).T + (jacobian * size).sum(-1)
    error = np.abs(np.asarray(back - x)).T
    bad = error > 300 * eps * (slack + 1)
    assert not bad.any(), (error[bad][:3], slack[bad][:3], np.asarray(x).T[bad.any(1)][:2])
    assert np.isfinite(np.asarray(there)).all()
    assert np.isfinite(np.asarray(again)).all()


def same_dlogp(case, thing, rng):
    """forward and inverse give the same number for the same pair (float64)."""
    t = transform_of(thing)
    x, context = points(case, rng, 16)
    z, there = inverse(t, x, context)
    _, again = forward(t, z, context)
    # dlogp's own slope times the round trip's error: 1e-7 leaves nine digits for conditioning.
    np.testing.assert_allclose(there, again, rtol=1e-7, atol=1e-7)


# -- 2: the determinant -------------------------------------------------------------------------


def determinant(case, thing, rng):
    """dlogp = log|det dz/dx| by autodiff and by central differences (float64)."""
    t = transform_of(thing)
    x, context = points(case, rng, 8)
    _, dlogp = inverse(t, x, context)
    automatic = np.linalg.slogdet(np.asarray(jacobian_of_inverse(t, x, context)))[1]
    np.testing.assert_allclose(dlogp, automatic, rtol=1e-8, atol=1e-8)
    h = 1e-6
    columns = []
    for j in range(case.dim):
        step = jnp.zeros_like(x).at[j].set(h)
        up, down = (inverse(t, x + s, context)[0] for s in (step, -step))
        columns.append((up - down) / (2 * h))
    differences = np.moveaxis(np.stack(columns), -1, 0).swapaxes(1, 2)
    numeric = np.linalg.slogdet(differences)[1]
    # Splines have kinks in their second derivative, so central differences keep O(h) = 1e-6
    # times the curvature; no more than one point in eight may be that close to a knot.
    close = np.isclose(dlogp, numeric, rtol=1e-4, atol=1e-4)
    assert close.mean() >= 7 / 8, (np.asarray(dlogp), numeric)


# -- 3: what depends on what --------------------------------------------------------------------


def rows_are_separate(case, thing, rng):
    """A NaN, or any change, in one row leaves every other row's numbers as they are."""
    x, context = points(case, rng, 6)
    before = numbers(thing, x, context)
    after = numbers(thing, x.at[:, 2].set(jnp.nan), context)
    others = [0, 1, 3, 4, 5]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(np.asarray(a)[..., others], np.asarray(b)[..., others])
    assert not all(np.isfinite(np.asarray(value)[..., 2]).all() for value in after)


def context_reaches_every_feature(case, thing, rng):
    """Each context value moves each transformed feature, the first one too (defect D1)."""
    t = transform_of(thing)
    x, context = points(case, rng, 5)
    z, _ = inverse(t, x, context)
    moved = np.zeros(case.dim, bool)
    for j in range(case.context_dim):
        other, _ = inverse(t, x, context.at[j].add(0.7))
        moved |= np.abs(np.asarray(other - z)).max(1) > 1e-6
    kept = getattr(t, "n_kept", 0)
    assert moved[kept:].all()


# -- 4: finite everywhere -----------------------------------------------------------------------


def finite_everywhere(case, thing, rng):
    """Values and gradients are finite on knots, at edges and far outside; a bad row spoils none."""
    far = np.array([0.0, -5.0, 5.0, 4.0, -4.0, 3.0, 1e2, -1e4, 1e6, -1e8])
    x = jnp.asarray(np.tile(far, (case.dim, 1)), jnp.float32)
    if case.low != -3.0:
        x = jnp.asarray(rng.uniform(case.low, case.high, x.shape), jnp.float32)
    _, context = points(case, rng, x.shape[1])
    for value in numbers(thing, x, context):
        assert np.isfinite(np.asarray(value)).all()
    params, rest = partition(thing)

    def total(params, x):
        last = _all_numbers(combine(params, rest))(x, context)[-1]
        return jnp.where(jnp.isfinite(last), last, 0.0).sum()

    for gradient in jax.tree.leaves(jax.jit(jax.grad(total, argnums=(0, 1)))(params, x)):
        assert np.isfinite(np.asarray(gradient)).all()


# -- 5: one meaning, however it is called -------------------------------------------------------


def called_in_any_way(case, thing, rng):
    """A batch = one row at a time = the user's own vmap."""
    x, context = points(case, rng, 5)
    batch = numbers(thing, x, context)
    axes = (1, None if context is None else 1)
    mapped = jax.jit(lambda m: jax.vmap(_all_numbers(m), axes, -1)(x, context))(thing)
    single = numbers(thing, x[:, 3], None if context is None else context[:, 3])
    for a, b, c in zip(batch, mapped, single, strict=True):
        # float32 with another order of summation, through an inverse of condition below 1e3.
        np.testing.assert_allclose(b, a, rtol=5e-4, atol=5e-4)
        np.testing.assert_allclose(c, np.asarray(a)[..., 3], rtol=5e-4, atol=5e-4)


def compiled_is_eager(case, thing, rng):
    """jit = eager."""
    x, context = points(case, rng, 3)
    for a, b in zip(numbers(thing, x, context), _all_numbers(thing)(x, context), strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-4, atol=5e-4)


# -- 6: after learning --------------------------------------------------------------------------


def after_a_step(case, thing, rng):
    """Return the case after one optimizer step along a random direction of its outputs."""
    x, context = points(case, rng, 16)
    params, rest = partition(thing)

    def loss(params):
        return sum(
            (jnp.asarray(rng.standard_normal(v.shape), v.dtype) * v).sum()
            for v in _all_numbers(combine(params, rest))(x, context)
        )

    optimizer = optax.adam(0.1)
    updates, _ = optimizer.update(jax.jit(jax.grad(loss))(params), optimizer.init(params))
    return combine(optax.apply_updates(params, updates), rest)


# -- 7 and 8: mass and samples ------------------------------------------------------------------


def mass_is_one(case, density, rng):
    """Quadrature over the plane (or line) gives one: 2e-3 for a grid of 400 points a side.

    The grid is that of z = Φ⁻¹(u) scaled by three, so that tails are inside.
    """
    nodes, weights, _ = _grid(case.dim, density)
    context = None
    if case.context_dim:
        context = jnp.asarray(rng.standard_normal(case.context_dim))
    mass = float((np.exp(np.asarray(log_prob(density, nodes, context))) * weights).sum())
    assert abs(mass - 1) < 2e-3, mass


def samples_have_the_density(case, density, rng):
    """E_model[r(x)/p(x)] = 1 for a known density r inside the support, within 4.5 s.e.

    A false alarm in 3e5 runs. r is the model's own Gaussian of the middle half, narrowed.
    """
    n = 20_000
    context = None
    if case.context_dim:
        context = jnp.asarray(rng.standard_normal(case.context_dim))
    key = jax.random.key(int(rng.integers(2**31)))
    x = np.asarray(sample(density, key, n, context))
    half = np.asarray(sample(density, jax.random.fold_in(key, 1), 4000, context))
    centre = np.median(half, 0)
    spread = 0.4 * (np.quantile(half, 0.75, 0) - np.quantile(half, 0.25, 0)) / 1.35
    low = np.zeros(1)
    if case.low >= 0:  # stay inside a half line or box: r is uniform on the middle half
        low, high = np.quantile(half, 0.3, 0), np.quantile(half, 0.7, 0)
        inside = ((x > low) & (x < high)).all(1)
        log_r = np.where(inside, -np.log(high - low).sum(), -np.inf)
    else:
        log_r = stats.norm.logpdf(x, centre, spread).sum(1)
    ratio = np.exp(log_r - np.asarray(log_prob(density, x, context)))
    error = ratio.std() / np.sqrt(n)
    assert abs(ratio.mean() - 1) < 4.5 * error + 1e-6, (ratio.mean(), error)
    assert error < 0.2


def samples_fill_bins(case, density, rng):
    """Bin frequencies agree with quadrature: chi-square at level 1e-5, in one or two dimensions."""
    n = 20_000
    key = jax.random.key(int(rng.integers(2**31)))
    x = np.asarray(sample(density, key, n, None))
    nodes, weights, edges = _grid(case.dim, density)
    share = np.exp(np.asarray(log_prob(density, nodes, None))) * weights
    codes = _codes(nodes, edges)
    expected = np.bincount(codes, share, minlength=8**case.dim) * n
    observed = np.bincount(_codes(x, edges), minlength=8**case.dim)
    full = expected > 10
    statistic = ((observed - expected)[full] ** 2 / expected[full]).sum()
    assert stats.chi2.sf(statistic, full.sum()) > 1e-5, statistic


def _grid(dim, density):
    """Return quadrature nodes (rows), weights, and edges of eight bins per axis."""
    side = 4000 if dim == 1 else 400
    drawn = np.asarray(sample(density, jax.random.key(1), 20_000, _zero_context(density)))
    low, high = np.quantile(drawn, [0.0, 1.0], axis=0)
    middle, width = (low + high) / 2, (high - low) / 2
    # Midpoint rule in t with x = middle + scale·sinh(t): fine in the middle, far in the tails.
    axes, cells = [], []
    for j in range(dim):
        bounds = {"interval": 1.0, "positive": 1.0, "greaterthan": 1.0}.get(density.support)
        if bounds:
            a, b = (
                (float(density.low.value[j]), float(density.high.value[j]))
                if density.support == "interval"
                else (0.0, 6 * high[j])
            )
            edges = (
                np.linspace(a, b, side + 1)
                if density.support == "interval"
                else (b * np.linspace(0, 1, side + 1) ** 3)
            )
        else:
            scale = np.std(drawn[:, j]) / 3 + 1e-3
            top = np.arcsinh((4 * width[j] + abs(middle[j])) / scale)
            edges = middle[j] + scale * np.sinh(np.linspace(-top, top, side + 1))
        inner = np.quantile(drawn[:, j], np.linspace(0, 1, 9)[1:-1])
        edges = np.union1d(edges, inner)  # so that no cell belongs to two bins
        axes.append((edges[1:] + edges[:-1]) / 2)
        cells.append(np.diff(edges))
    nodes = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], -1)
    weights = np.prod([c.ravel() for c in np.meshgrid(*cells, indexing="ij")], 0)
    edges = [np.quantile(drawn[:, j], np.linspace(0, 1, 9)[1:-1]) for j in range(dim)]
    return nodes, weights, edges


def _codes(x, edges):
    code = np.zeros(len(x), int)
    for j, inner in enumerate(edges):
        code = code * 8 + np.searchsorted(inner, x[:, j])
    return code


def _zero_context(density):
    return jnp.zeros(density.context_dim) if density.context_dim else None


def _all_numbers(thing):
    """Return a function of (x, context) giving everything the case answers, features first."""
    if isinstance(thing, Density):

        def call(x, context):
            rows = jnp.moveaxis(x, 0, -1)
            given = None if context is None else jnp.moveaxis(context, 0, -1)
            return (thing.log_prob(rows, given),)
    else:

        def call(x, context):
            z, dlogp = thing.inverse(x, context)
            return (z, thing.forward(z, context)[0], dlogp)

    return call


def _jacobian(function, x, context):
    """Return per-row Jacobians (n, out, in) of a features-first map."""
    if context is None:
        return jax.vmap(jax.jacrev(lambda v: function(v, None)), 1)(x)
    return jax.vmap(jax.jacrev(function), (1, 1))(x, context)
