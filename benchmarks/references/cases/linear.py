"""Linear maps, and layers that move points along a direction or about a centre."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from benchmarks.references.cases.draw import DIM, KEY, N, both, given, points, positive, registry
from pushforward import transforms as t

CASES, case = registry()


@case
def triangular(rng):
    loc, raw = rng.normal(size=(2, DIM))
    below = rng.normal(size=DIM * (DIM - 1) // 2)
    matrix = np.diag(positive(raw))
    matrix[np.tril_indices(DIM, -1)] = below
    ours = given(t.Triangular(np.zeros(DIM), np.eye(DIM)), loc=loc, raw_diagonal=raw, below=below)
    return ours, {"loc": loc, "matrix": matrix} | both(rng)


@case
def matrix(rng):
    loc, matrix = rng.normal(size=DIM), rng.normal(size=(DIM, DIM))
    return t.Matrix(matrix, loc), {"loc": loc, "matrix": matrix} | both(rng)


@case
def lu(rng):
    bias, packed = rng.normal(size=DIM), 0.5 * rng.normal(size=(DIM, DIM))
    p = {"loc": bias, "packed": packed - np.diag(np.diag(packed) - positive(np.diag(packed)))}
    return given(t.LU(DIM), bias=bias, packed=packed), p | both(rng)


@case
def qr(rng):
    loc, raw = rng.normal(size=(2, DIM))
    above, vectors = rng.normal(size=DIM * (DIM - 1) // 2), rng.normal(size=(DIM, DIM))
    ours = given(t.QR(DIM, key=KEY), loc=loc, raw_diagonal=raw, above=above)
    ours = eqx.tree_at(lambda m: m.rotation.vectors, ours, jnp.asarray(vectors))
    p = {"loc": loc, "diagonal": positive(raw), "above": above, "vectors": vectors}
    return ours, p | both(rng)


@case
def svd(rng):
    loc, raw = rng.normal(size=(2, DIM))
    left, right = rng.normal(size=(2, DIM, DIM))
    ours = given(t.SVD(DIM, key=KEY), loc=loc, raw_singular=raw)
    sides = (jnp.asarray(left), jnp.asarray(right))
    ours = eqx.tree_at(lambda m: (m.left.vectors, m.right.vectors), ours, sides)
    p = {"loc": loc, "singular": positive(raw), "left": left, "right": right}
    return ours, p | both(rng)


@case
def householder(rng):
    vectors = rng.normal(size=(3, DIM))
    return given(t.Householder(DIM, 3, key=KEY), vectors=vectors), {"vectors": vectors} | both(rng)


@case
def rotation(rng):
    entries = rng.normal(size=(DIM, DIM))
    ours = given(t.Orthogonal(DIM, "exponential"), entries=entries)
    return ours, {"entries": entries} | both(rng)


@case
def permutation(rng):
    order = rng.permutation(DIM)
    return t.Permute(order), {"order": order} | both(rng)


def directed(w, u):
    """Return û, which keeps 1 + wᵀû positive."""
    product = (w * u).sum(-1, keepdims=True)
    square = (w * w).sum(-1, keepdims=True) + 1e-12  # ours divides by that
    return u + (positive(product) - 1 - product) * w / square


@case
def low_rank(rng):
    loc, raw = rng.normal(size=(2, DIM))
    w, u = rng.normal(size=(2, 2, DIM))
    ours = t.LowRank(DIM, 2, key=KEY)
    ours = given(ours, loc=loc, raw_scale=raw, weights=w, directions=u)
    first, second = directed(w, u)
    # (I + û₂w₂ᵀ)(I + û₁w₁ᵀ) = I + (û₁ + û₂ w₂ᵀû₁) w₁ᵀ + û₂ w₂ᵀ.
    columns = np.stack([first + second * (w[1] @ first), second], 1)
    p = {"loc": loc, "diagonal": positive(raw), "left": positive(raw)[:, None] * columns}
    return ours, p | {"right": w.T} | both(rng)


def planar(rng, activation):
    w, u, bias = *rng.normal(size=(2, DIM)), rng.normal()
    ours = t.Planar(DIM, key=KEY, activation=activation)
    ours = given(ours, weight=w, direction=u, bias=bias)
    return ours, {"weight": w, "direction": directed(w, u), "bias": bias} | both(rng)


@case
def planar_tanh(rng):
    return planar(rng, "tanh")


@case
def planar_leaky_relu(rng):
    return planar(rng, "leaky_relu")


@case
def radial(rng):
    centre, alpha, beta = rng.normal(size=DIM), *rng.normal(size=2)
    ours = given(t.Radial(np.zeros(DIM)), centre=centre, raw_alpha=alpha, raw_beta=beta)
    p = {"centre": centre, "alpha": positive(alpha)}
    return ours, p | {"beta": positive(alpha) * (positive(beta) - 1)} | both(rng)


@case
def act_norm(rng):
    loc, raw = rng.normal(size=(2, 3))
    ours = given(t.ActNorm(3, 4), loc=loc, raw_scale=raw)
    return ours, {"loc": loc, "scale": positive(raw), "image": np.array([3, 2, 2])} | both(rng, 12)


@case
def convolution(rng):
    """Glow's order: the channels are mixed, then reordered."""
    layer, p = lu(rng)
    chain = t.conv1x1((DIM, 2, 3), key=KEY)
    order = np.asarray(chain.transform.parts[1].order.value)
    ours = eqx.tree_at(lambda m: m.transform.parts[0], chain, layer)
    ours = eqx.tree_at(lambda m: m.transform.parts[0].bias, ours, jnp.zeros(DIM))
    p |= {"order": order, "image": np.array([DIM, 2, 3])}
    return ours, p | both(rng, 6 * DIM)


@case
def convolution_after_order(rng):
    """The channels are reordered, then mixed."""
    layer, p = lu(rng)
    order = rng.permutation(DIM)
    ours = t.PerPixel(t.Chain([t.Permute(order), layer]), 6)
    return ours, p | {"order": order, "image": np.array([DIM, 2, 3])} | both(rng, 6 * DIM)


@case
def concatenated(rng):
    layer, p = triangular(rng)
    z = points(rng, DIM + 2)
    x = np.concatenate([points(rng), rng.gamma(1.0, size=(N, 2))], 1)
    return t.Concatenate([layer, t.Exp()], [DIM, 2]), p | {"x": x, "z": z}
