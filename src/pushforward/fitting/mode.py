"""The Gaussian at a target's mode: where variational learning best begins."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import minimize

from pushforward.core.errors import FitError
from pushforward.core.numerics import MIN_SCALE
from pushforward.densities.gaussian import full_gaussian
from pushforward.densities.pushforward import Pushforward
from pushforward.fitting.target import check_target

_MAX_SCALE = 10.0
"""Largest standard deviation given to a direction in which the target does not curve: it is to be
learned from there, and a start too wide meets values that overflow."""


def laplace(log_target: Callable, start: Any) -> Pushforward:
    r"""Return N(m, H⁻¹) for a mode m of an unnormalized density and H = −∇² log p̃(m).

    Eigenvalues of H below 0.01 (a flat or a rising direction) count as 0.01.

    Parameters
    ----------
    log_target : log p̃, a function of rows `(n, dim)` to `(n,)`, with two derivatives.
    start : a point `(dim,)` from which to climb.

    Raises
    ------
    FitError : the climb ends where log p̃ or its derivatives are not finite.

    Cost: a quasi-Newton climb, and O(dim) gradients for the Hessian.
    Source mackay2003
    """
    start = np.asarray(start, float)
    check_target(log_target, start.size)

    def negative(x: Float[Array, " dim"]) -> Float[Array, ""]:
        return -log_target(x[None])[0]

    value_and_slope = jax.jit(jax.value_and_grad(negative))

    def climb(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_and_slope(jnp.asarray(x, jnp.result_type(float)))
        return float(value), np.asarray(slope, float)

    mode = minimize(climb, start, jac=True, method="BFGS").x
    value, slope = climb(mode)
    hessian = np.asarray(jax.jit(jax.hessian(negative))(jnp.asarray(mode)), float)
    if not all(np.isfinite(part).all() for part in (mode, value, slope, hessian)):
        raise FitError(
            f"a climb that ended at {mode}",
            "a point where log_target and two derivatives of it are finite",
            "begin at another point",
        )
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    covariance = (vectors / np.maximum(values, _MAX_SCALE**-2)) @ vectors.T
    factor = np.linalg.cholesky(covariance)
    diagonal = np.maximum(np.diag(factor), 2 * MIN_SCALE)
    np.fill_diagonal(factor, diagonal)
    return full_gaussian(mode, factor)
