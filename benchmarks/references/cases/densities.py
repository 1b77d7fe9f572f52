"""Densities, and a whole flow."""

import numpy as np

from benchmarks.references.cases.draw import DIM, N, given, points, registry
from benchmarks.references.cases.linear import triangular
from benchmarks.references.cases.nets import affine_autoregressive, spline_autoregressive
from pushforward import densities as d
from pushforward import transforms as t

CASES, case = registry()


@case
def student_t(rng):
    raw = rng.normal(size=DIM)
    p = {"df": 1 + np.logaddexp(raw, 0), "x": points(rng)}
    return given(d.StudentT(DIM), raw_df=raw), p


@case
def logistic(rng):
    return d.Logistic(DIM), {"x": points(rng)}


@case
def gaussian(rng):
    ours, p = triangular(rng)
    del p["z"]
    return d.Pushforward(ours, d.StandardNormal(DIM)), p


@case
def gaussian_mixture(rng):
    loc, scale = points(rng)[:3], rng.uniform(0.1, 2, (3, DIM))
    logits = rng.normal(size=3)
    p = {"loc": loc, "scale": scale, "logits": logits, "x": points(rng)}
    return d.gaussian_mixture(loc, scale, logits), p


@case
def full_gaussian_mixture(rng):
    loc, logits = points(rng)[:3], rng.normal(size=3)
    factors = np.tril(rng.normal(size=(3, DIM, DIM)), -1)
    factors = factors + np.eye(DIM) * rng.uniform(0.1, 2, (3, DIM, 1))
    p = {"loc": loc, "factors": factors, "logits": logits, "x": points(rng)}
    return d.gaussian_mixture(loc, factors, logits), p


@case
def order_statistics(rng):
    ours = d.PreimageSum(d.Sorted(DIM), d.StandardNormal(DIM))
    return ours, {"x": np.sort(rng.normal(size=(N, DIM)), 1)}


@case
def flow(rng):
    """Two autoregressive layers in opposite orders on a standard normal."""
    (first, p), (second, q) = affine_autoregressive(rng), spline_autoregressive(rng)
    turn = t.Permute(np.arange(DIM)[::-1])
    ours = d.Pushforward(t.Chain([first, turn, second]), d.StandardNormal(DIM))
    layers = {f"affine_{k}": v for k, v in p.items()} | {f"spline_{k}": v for k, v in q.items()}
    return ours, layers | {"x": points(rng)}
