"""What the laws are tried on: parameters moved in several ways, points easy and hard."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pushforward.core import Density, Transform, combine, partition
from pushforward.transforms import (
    Affine,
    BoundedAffine,
    Chain,
    CircularSpline,
    CubicSpline,
    Gaussianization,
    IntervalSpline,
    LinearRationalSpline,
    LinearSpline,
    RationalQuadraticSpline,
    Scan,
)

EPS = {np.dtype("float32"): 1.2e-7, np.dtype("float64"): 2.3e-16}
SIZES = (1e-6, 1.0, 10.0, 1e2, 1e4)
KNOTS = (2.0, 3.0, 4.0, 5.0)
"""Where the cases' splines end; their unmoved inner knots lie among these too."""

SHARP = 30.0
"""Spread of a spline's logits in the sharp cases."""


def perturbed(thing, rng, sd):
    """Return the case with every trainable leaf moved by Gaussian noise."""
    params, rest = partition(thing)
    moved = jax.tree.map(
        lambda leaf: _array(leaf + sd * rng.standard_normal(leaf.shape), leaf.dtype),
        jax.tree.map(np.asarray, params),
    )
    return combine(moved, rest)


def sharp(thing, rng):
    """Return the case with nets moved a little and scalar maps' parameters by N(0, 30²)."""

    def scalar(node):
        return isinstance(
            node,
            Affine
            | BoundedAffine
            | CircularSpline
            | CubicSpline
            | IntervalSpline
            | LinearRationalSpline
            | LinearSpline
            | RationalQuadraticSpline,
        )

    def move(node):
        return perturbed(node, rng, SHARP) if scalar(node) else node

    return jax.tree.map(move, perturbed(thing, rng, 0.2), is_leaf=scalar)


def after_a_step(case, thing, rng):
    """Return the case after one optimizer step along a random direction of its outputs."""
    x, context = points(case, rng, 16)
    params, rest = partition(thing)

    def loss(params):
        return sum(
            (jnp.asarray(rng.standard_normal(v.shape), v.dtype) * v).sum()
            for v in numbers_of(combine(params, rest))(x, context)
        )

    return combine(learned(loss, params, optax.adam(0.03), 1), rest)


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def learned(loss, params, optimizer, steps):
    """Return parameters after steps of an optimizer, all in one program."""

    def step(_, state):
        params, moments = state
        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        return optax.apply_updates(params, updates), moments

    return jax.lax.fori_loop(0, steps, step, (params, optimizer.init(params)))[0]


def layers(transform):
    """Return the layers that a transform is composed of, latent to data."""
    if isinstance(transform, Scan):
        return layers(transform.unstack())
    if isinstance(transform, Gaussianization) and transform.layers is not None:
        return layers(transform.layers)
    if isinstance(transform, Chain):
        return [layer for part in transform.parts for layer in layers(part)]
    return [transform]


def points(case, rng, n):
    """Return data points inside the support, features first, and contexts."""
    return _array(rng.uniform(case.low, case.high, (case.dim, n))), contexts(case, rng, n)


def contexts(case, rng, n):
    if not case.context_dim:
        return None
    return _array(rng.standard_normal((case.context_dim, n)))


def _array(values, dtype=None):
    """Return a jax array, converted by numpy: jax would compile a program for each shape."""
    return jax.device_put(np.asarray(values, dtype or jnp.result_type(float)))


def hard_points(case, rng):
    """Return points at 0, tiny, huge, on knots and just beside them and the support's edges.

    Once with the value in every feature, once in one feature of an ordinary row.
    """
    eps = 4 * EPS[np.dtype(jnp.result_type(float))]
    values = {0.0, *SIZES, *KNOTS, *(k * (1 + s * eps) for k in KNOTS for s in (1, -1))}
    values |= {-value for value in values}
    lower, upper = case.edges
    ordinary = rng.uniform(case.low, case.high, (case.dim, len(values) + 8))
    x = [ordinary]
    for value in sorted(values):
        inside = (lower < value) & (value < upper)
        whole, one = (rng.uniform(case.low, case.high, case.dim) for _ in range(2))
        j = rng.integers(case.dim)
        one[j] = value if inside[j] else one[j]
        x.append(np.stack([np.where(inside, value, whole), one], 1))
    for edge, side in ((lower, 1), (upper, -1)):
        if np.isfinite(edge).all():
            beside = edge + side * 1e-6 * np.maximum(1, np.abs(edge))
            x.append(beside[:, None])
    x = np.concatenate(x, 1)
    if case.inside is not None:
        x = x[:, case.inside(x)]
    x = _array(x)
    return x, contexts(case, rng, x.shape[1])


def transform_of(thing):
    """Return a case's transform: itself, or that of the flow."""
    return thing if isinstance(thing, Transform) else thing.transform


def numbers_of(thing):
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


@jax.jit
def numbers(thing, x, context):
    """Return everything the case answers, compiled; the last is dlogp or log p."""
    return numbers_of(thing)(x, context)


@jax.jit
def inverse(transform, x, context):
    return transform.inverse(x, context)


@jax.jit
def forward(transform, z, context):
    return transform.forward(z, context)


@jax.jit
def jacobian_of_inverse(transform, x, context):
    """Return per-row Jacobians (n, out, in)."""
    return _jacobian(lambda v, c: transform.inverse(v, c)[0], x, context)


@jax.jit
def jacobian_of_forward(transform, z, context):
    """Return per-row Jacobians (n, out, in)."""
    return _jacobian(lambda v, c: transform.forward(v, c)[0], z, context)


def _jacobian(function, x, context):
    if context is None:
        return jax.vmap(jax.jacrev(lambda v: function(v, None)), 1)(x)
    return jax.vmap(jax.jacrev(function), (1, 1))(x, context)
