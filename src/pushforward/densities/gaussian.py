"""Gaussians with learned parameters, and mixtures of them: maps of the standard normal."""

import jax.numpy as jnp

from pushforward.core.errors import ShapeError
from pushforward.densities.mixture import Mixture
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.elementwise import Affine
from pushforward.transforms.linear import Triangular


def diagonal_gaussian(loc: object, scale: object) -> Pushforward:
    """Return independent normals N(μ_j, σ_j²) with learned μ and σ.

    Parameters
    ----------
    loc, scale : starting μ and σ > 0.001, shape `(dim,)`; either may be a number.

    Source papamakarios2021flows
    """
    loc, scale = jnp.broadcast_arrays(*(jnp.atleast_1d(jnp.asarray(v)) for v in (loc, scale)))
    if loc.ndim != 1:
        raise ShapeError(f"loc and scale of common shape {loc.shape}", "vectors: shape (dim,)")
    return Pushforward(Affine(loc, scale), StandardNormal(loc.size))


def full_gaussian(loc: object, scale_tril: object) -> Pushforward:
    """Return the normal N(μ, L Lᵀ) with learned μ and L.

    Parameters
    ----------
    loc : starting μ, shape `(dim,)`.
    scale_tril : starting L, lower-triangular, shape `(dim, dim)`, with a diagonal above 0.001.

    Cost O(dim²) an event. Source papamakarios2021flows
    """
    loc = jnp.asarray(loc)
    return Pushforward(Triangular(loc, scale_tril), StandardNormal(loc.size))


def gaussian_mixture(loc: object, scale: object, logits: object = None) -> Mixture:
    """Return a mixture of K Gaussians with learned parameters.

    log p(x) = log Σ_k w_k N(x; μ_k, Σ_k),   w = softmax(logits).

    Parameters
    ----------
    loc : starting means, shape `(K, dim)`.
    scale : standard deviations `(K, dim)`, or lower-triangular Cholesky factors `(K, dim, dim)`.
    logits : shape `(K,)`; equal weights by default.

    Source pearson1894
    """
    loc, scale = jnp.asarray(loc), jnp.asarray(scale)
    if loc.ndim != 2 or scale.shape not in (loc.shape, (*loc.shape, loc.shape[1])):
        raise ShapeError(
            f"loc of shape {loc.shape} with scale of shape {scale.shape}",
            "(K, dim) with (K, dim) or (K, dim, dim)",
        )
    one = diagonal_gaussian if scale.ndim == 2 else full_gaussian
    return Mixture([one(m, s) for m, s in zip(loc, scale, strict=True)], logits)
