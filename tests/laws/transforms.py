"""Laws of every case that holds a bijection: round trips, determinants, who depends on whom."""

import jax
import jax.numpy as jnp
import numpy as np

from laws.inputs import (
    EPS,
    forward,
    hard_points,
    inverse,
    jacobian_of_forward,
    jacobian_of_inverse,
    layers,
    perturbed,
    points,
    transform_of,
)
from pushforward.transforms.compose import own_context


def round_trip(case, thing, rng):
    """x → z → x̃ agrees to what the arithmetic's rounding can do to it."""
    x, context = hard_points(case, rng)
    _check_round_trip(transform_of(thing), x, context)


def round_trip_by_layer(case, thing, rng):
    """Each layer's round trip holds at the points that reach it.

    Rounding between two layers is stretched by the product of their conditions, which float32
    cannot hold far outside or where layers are sharp; a layer answers for its own.
    """
    h, context = hard_points(case, rng)
    for layer in reversed(layers(transform_of(thing))):
        h = _check_round_trip(layer, h, own_context(layer, context))


def composed_round_trip(case, thing, rng):
    """In float32 nine of ten ordinary points come back to a thousandth through all layers."""
    t = transform_of(thing)
    x, context = points(case, rng, 64)
    z, _ = inverse(t, x, context)
    back, _ = forward(t, z, context)
    error = np.abs(np.asarray(back - x)) / (1 + np.abs(np.asarray(x)))
    assert np.quantile(error, 0.9) < 1e-3


def composed_as_rounded(case, thing, rng):
    """As `composed_round_trip`, or to what a few ulps of the latents carry: flat layers lose x.

    A step of an optimizer along a random direction may leave a layer's slope at 1e-5.
    """
    t = transform_of(thing)
    x, context = points(case, rng, 64)
    z, _ = inverse(t, x, context)
    back, _ = forward(t, z, context)
    slack = (_carried([t], z, context) + _carried_between(layers(t), x, context)) / 10
    error = np.abs(np.asarray(back - x)) / (1 + np.abs(np.asarray(x)))
    assert np.quantile(error - slack, 0.9) < 1e-3


def _check_round_trip(t, x, context):
    """Check x → z → x̃ by its backward error, and return z.

    x̃ = f(z) must be explained by z moved by a few ulps, one feature at a time, and by those of x:
    |x̃ − x| ≤ 3 Σ_j max |f(z ± δ_j) − f(z)| + 300 eps (|x| + 1), δ_j = 100 eps (|z_j| + 1): the
    rounding of a net and its sums. Changes of f, not its Jacobian: a sharp map may be flat over
    less than an ulp. The values between layers round as well: where a steep layer meets a flat
    one, theirs is the larger share, so it is added before a composed map is called wrong. A row
    of which some feature is lost (moved by more than 1 + |x|) may be wrong in others, which may
    depend on it in between; one row in ten at most.
    """
    z, there = inverse(t, x, context)
    back, again = forward(t, z, context)
    eps = EPS[np.dtype(x.dtype)]
    error = np.abs(np.asarray(back - x))
    slack = 3 * _carried([t], z, context) + 300 * eps * (np.abs(np.asarray(x)) + 1)
    parts = layers(t)
    if not (error <= slack).all() and len(parts) > 1:
        slack += 3 * _carried_between(parts, x, context)
    assert np.isfinite(slack).all()
    lost = (slack > 1 + np.abs(np.asarray(x))).any(0)
    bad = ~(error <= slack)
    assert (bad.any(0) & lost).mean() <= 0.1
    bad &= ~lost
    assert not bad.any(), (type(t), error[bad][:3], slack[bad][:3], x[:, bad.any(0)][:, :3].T)
    assert np.isfinite(np.asarray(there)).all()
    assert np.isfinite(np.asarray(again)).all()
    return z


def _carried_between(parts, x, context):
    """Return how far the rounding of every value between layers reaches in x."""
    h, total = x, 0.0
    for k in reversed(range(1, len(parts))):
        h, _ = inverse(parts[k], h, own_context(parts[k], context))
        total = total + _carried(parts[k:], h, context)
    return total


def _carried(parts, h, context):
    """Return Σ_j max |f(h ± δ_j) − f(h)| of the composition f, δ_j = 100 eps (|h_j| + 1)."""
    dim, n = h.shape
    step = 100 * EPS[np.dtype(h.dtype)] * (jnp.abs(h) + 1)
    moved = jnp.tile(h[:, None, None], (1, dim, 2, 1))
    ends = h[:, None] + jnp.array([-1.0, 1.0], h.dtype)[:, None] * step[:, None]
    moved = moved.at[jnp.arange(dim), jnp.arange(dim)].set(ends).reshape(dim, -1)
    contexts = None if context is None else jnp.tile(context, (1, 2 * dim))
    still = h
    for part in parts:
        still, _ = forward(part, still, own_context(part, context))
        moved, _ = forward(part, moved, own_context(part, contexts))
    moved = np.asarray(moved).reshape(len(moved), dim, 2, n)
    return np.abs(moved - np.asarray(still)[:, None, None]).max(2).sum(1)


def same_dlogp(case, thing, rng):
    """forward and inverse give the same number for the same pair (float64)."""
    t = transform_of(thing)
    x, context = points(case, rng, 16)
    z, there = inverse(t, x, context)
    _, again = forward(t, z, context)
    # dlogp's own slope times the round trip's error: 1e-7 leaves nine digits for conditioning.
    np.testing.assert_allclose(there, again, rtol=1e-7, atol=1e-7)


def determinant(case, thing, rng):
    """dlogp = log|det dz/dx| by autodiff (float64)."""
    x, context = points(case, rng, 16)
    _check_determinant(transform_of(thing), x, context)


def determinant_by_layer(case, thing, rng):
    """Each layer's dlogp = log|det dz/dx| by autodiff, at the points that reach it (float64).

    A product of sharp layers' Jacobians cancels digits that the sum of their dlogp keeps.
    """
    h, context = points(case, rng, 16)
    for layer in reversed(layers(transform_of(thing))):
        h = _check_determinant(layer, h, own_context(layer, context))


def _check_determinant(t, x, context):
    z, dlogp = inverse(t, x, context)
    automatic = np.linalg.slogdet(np.asarray(jacobian_of_inverse(t, x, context)))[1]
    np.testing.assert_allclose(dlogp, automatic, rtol=1e-8, atol=1e-8)
    return z


def differences(case, thing, rng):
    """dlogp = log|det dz/dx| by central differences (float64)."""
    t = transform_of(thing)
    x, context = points(case, rng, 16)
    _, dlogp = inverse(t, x, context)
    h = 1e-6
    columns = []
    for j in range(case.dim):
        step = jnp.zeros_like(x).at[j].set(h)
        up, down = (inverse(t, x + s, context)[0] for s in (step, -step))
        columns.append((up - down) / (2 * h))
    jacobian = np.moveaxis(np.stack(columns), -1, 0).swapaxes(1, 2)
    numeric = np.linalg.slogdet(jacobian)[1]
    # Splines have kinks in their second derivative, so central differences keep O(h) = 1e-6
    # times the curvature; no more than one point in eight may be that close to a knot.
    close = np.isclose(dlogp, numeric, rtol=1e-4, atol=1e-4)
    assert close.mean() >= 7 / 8, (np.asarray(dlogp), numeric)


def determinant_forward(case, thing, rng):
    """forward's dlogp = −log|det dx/dz|, by autodiff through the generating direction."""
    t = transform_of(thing)
    x, context = points(case, rng, 16)
    z, _ = inverse(t, x, context)
    _, dlogp = forward(t, z, context)
    automatic = np.linalg.slogdet(np.asarray(jacobian_of_forward(t, z, context)))[1]
    np.testing.assert_allclose(dlogp, -automatic, rtol=1e-7, atol=1e-7)


def sparsity(case, thing, rng):
    """z_i depends on x_j where the case says so, and nowhere else, to the last bit.

    By gradients and by finite changes; four draws of the parameters, since a rectifier may be
    off on all of a draw's points.
    """
    t = transform_of(thing)
    seen = np.zeros((case.dim, case.dim), bool)
    for _ in range(4):
        moved = perturbed(t, rng, 0.3)
        x, context = points(case, rng, 32)
        z, _ = inverse(moved, x, context)
        gradient = np.asarray(jacobian_of_inverse(moved, x, context))
        assert not gradient[:, ~case.sparsity].any()
        seen |= (gradient != 0).any(0)
        for j in range(case.dim):
            other, _ = inverse(moved, x.at[j].set(x[j, ::-1]), context)
            np.testing.assert_array_equal(z[~case.sparsity[:, j]], other[~case.sparsity[:, j]])
    np.testing.assert_array_equal(seen, case.sparsity)


def context_reaches(case, thing, rng):
    """Each context value moves each transformed feature, the first one too (defect D1)."""
    t = transform_of(thing)
    moved = np.zeros((case.context_dim, case.dim), bool)
    for _ in range(4):
        other = perturbed(t, rng, 0.3)
        x, context = points(case, rng, 32)
        z, _ = inverse(other, x, context)
        for j in range(case.context_dim):
            changed, _ = inverse(other, x, context.at[j].add(0.7))
            moved[j] |= np.abs(np.asarray(changed - z)).max(1) > 1e-6
    assert moved[:, case.blind :].all(), moved
    assert not moved[:, : case.blind].any(), "the case says that the context cannot reach these"


def outside_is_impossible(case, thing, rng):
    """Beyond the support dlogp is −inf and gradients stay finite; on its edge nothing is NaN.

    On the edge itself it is −inf too, unless the support is closed.
    """
    t = transform_of(thing)
    lower, upper = case.edges
    for edge, side in ((lower, -1.0), (upper, 1.0)):
        for j in np.flatnonzero(np.isfinite(edge)):
            for step in (0.0, 1e-3, 1.0, 1e30):
                x, context = points(case, rng, 3)
                x = x.at[j, 1].set(edge[j] + side * step)
                z, dlogp = inverse(t, x, context)
                assert np.isfinite(np.asarray(z)).all()
                assert np.isfinite(np.asarray(dlogp)[[0, 2]]).all()
                assert not np.isnan(np.asarray(dlogp)[1])
                if step or not case.closed:
                    assert np.asarray(dlogp)[1] == -np.inf
                slope = jax.grad(lambda v, c=context: inverse(t, v, c)[1][jnp.array([0, 2])].sum())
                assert np.isfinite(np.asarray(slope(x))).all()
