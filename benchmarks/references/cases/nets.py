"""Layers with nets: the same weights on both sides, masks multiplied in."""

import jax
import numpy as np

import pushforward as pf
from benchmarks.references.cases.draw import (
    BINS,
    DIM,
    KEY,
    N,
    both,
    bounded,
    points,
    randomized,
    registry,
)
from pushforward import transforms as t

CASES, case = registry()


def heads(layer, mask=1.0):
    """Return the last weights (features, parameters, width), and their biases."""
    head = layer.heads
    leaves = jax.tree.leaves(pf.partition(head.template)[0])
    w2 = [np.asarray(w * mask).reshape(-1, *w.shape[-2:]) for w in head.weights]
    b2 = [np.asarray(leaf).reshape(-1, head.dim) for leaf in leaves]
    return {"w2": np.moveaxis(np.concatenate(w2), 1, 0), "b2": np.concatenate(b2).T}


def hidden(layer):
    first, (second,) = layer.trunk.masked()
    p = {"w0": first, "b0": layer.trunk.biases[0], "w1": second, "b1": layer.trunk.biases[1]}
    return {name: np.asarray(value) for name, value in p.items()}


def coupling(rng, template):
    ours = t.Coupling(5, template, key=KEY, hidden=(16, 12), n_kept=2)
    ours = randomized(ours, rng, 0.4)
    return ours, hidden(ours) | heads(ours) | {"bound": 3.0, "kept": 2} | both(rng, 5)


def autoregressive(rng, template, context_dim=0):
    ours = t.MaskedAutoregressive(DIM, template, key=KEY, context_dim=context_dim, hidden=(16, 12))
    ours = randomized(ours, rng, 0.4)
    return ours, hidden(ours) | heads(ours, ours.trunk.head_mask(DIM)) | {"bound": 3.0} | both(rng)


@case
def additive_coupling(rng):
    return coupling(rng, t.Shift())


@case
def affine_coupling(rng):
    return coupling(rng, t.BoundedAffine())


@case
def spline_coupling(rng):
    return coupling(rng, t.RationalQuadraticSpline(BINS, 3.0))


@case
def affine_autoregressive(rng):
    return autoregressive(rng, t.BoundedAffine())


@case
def spline_autoregressive(rng):
    return autoregressive(rng, t.RationalQuadraticSpline(BINS, 3.0))


@case
def conditional_autoregressive(rng):
    ours, p = autoregressive(rng, t.BoundedAffine(), context_dim=2)
    return ours, p | {"wc": np.asarray(ours.trunk.from_context), "c": rng.normal(size=(N, 2))}


@case
def image_coupling(rng):
    shape = (4, 3, 5)
    template = t.RationalQuadraticSpline(BINS, 3.0)
    ours = t.ImageCoupling(shape, template, key=KEY, hidden=(6, 5))
    ours = randomized(ours, rng, 0.4)
    p = heads(ours) | {"bound": 3.0, "kept": 2, "image": np.array(shape)}
    for i, (kernel, bias) in enumerate(zip(ours.trunk.kernels, ours.trunk.biases, strict=True)):
        p[f"w{i}"] = np.moveaxis(np.asarray(kernel).reshape(len(bias), 3, 3, -1), -1, 1)
        p[f"b{i}"] = np.asarray(bias)
    return ours, p | both(rng, 60)


@case
def block_autoregressive(rng):
    ours = t.BlockAutoregressive(3, key=KEY, units=(4, 4))
    ours = randomized(ours, rng, 0.7)
    sizes, p = (1, 4, 4, 1), {}
    for i, (raw, bias) in enumerate(zip(ours.weights, ours.biases, strict=True)):
        own, before = (
            np.kron(mask, np.ones((sizes[i + 1], sizes[i])))
            for mask in (np.eye(3), np.tri(3, k=-1))
        )
        p[f"w{i}"] = own * np.exp(bounded(raw)) / sizes[i] + before * raw
        p[f"b{i}"] = np.asarray(bias)
    p["gate"] = 0.99 / (1 + np.exp(-ours.raw_gate))
    p["scale"] = np.exp(bounded(np.asarray(ours.raw_log_scale)))
    return ours, p | {"x": points(rng, 3)}


@case
def residual(rng):
    ours = randomized(t.Residual(2, key=KEY, hidden=(8, 8), activation="tanh"), rng, 1.0)
    weights = ours.net.limited()
    p = {f"w{i}": np.asarray(w) for i, w in enumerate(weights)}
    p |= {f"b{i}": np.asarray(b) for i, b in enumerate(ours.net.biases)}
    return ours, p | {"x": points(rng, 2)}
