"""Variational objectives: how far a model is from an unnormalized target density.

They draw their own points from the model, so in place of rows they see the stage of an
annealing: a `Stage` with the power β of the target.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.densities.reparameterized import sample_and_log_prob


class Stage(eqx.Module):
    """Hold β, the power to which the target is taken: below one it is flatter."""

    beta: Float[Array, ""]


class FreeEnergy(eqx.Module):
    r"""The reverse Kullback-Leibler divergence up to the target's constant.

    F = E_q[log q(x) − β log p̃(x)] = E[log q₀(z)] + E[Σ dlogp] − β E[log p̃(f(z))],

    for x = f(z). At β = 1 it is −ELBO ≥ −log Z, with equality where q = p̃/Z.

    Parameters
    ----------
    log_target : log p̃, a function of rows `(n, dim)` to `(n,)`.
    draws : points a step.
    stick : sticking the landing: leave out the part of the gradient that goes through the
        parameters of log q alone. It is zero on average, and without it the gradient's noise
        vanishes as q approaches the target. Costs one pass in the other direction. Where the
        support moves with the parameters (a transformed uniform base) that part is not zero on
        average, and is never left out.

    Source rezende2015, roeder2017sticking
    """

    log_target: Callable  # not static: it may be a model's method, which holds arrays
    draws: int = eqx.field(static=True, default=256)
    stick: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        _check_draws(self.draws)

    def __call__(
        self, model: Density, stage: Stage, key: Array
    ) -> tuple[Float[Array, ""], dict[str, Any]]:
        x, log_q = sample_and_log_prob(model, key, self.draws)
        if self.stick and model.support != "bounded":
            log_q = jax.lax.stop_gradient(model).log_prob(x)
        return (log_q - stage.beta * self.log_target(x)).mean(), {}


class RenyiBound(eqx.Module):
    r"""The negative variational Rényi bound, which approaches the alpha-divergence's.

    L_α = (1 − α)⁻¹ log K⁻¹ Σ_k w_k^{1−α},   w_k = p̃(x_k)^β / q(x_k),   x_1 … x_K from q.

    α = 0 is the importance-weighted bound, α → 1 the free energy; smaller α cover more of the
    target. For 0 ≤ α < 1 its expectation never exceeds log Z (β = 1). The gradient is that of the
    bound of K draws.

    Parameters
    ----------
    log_target : log p̃, a function of rows `(n, dim)` to `(n,)`.
    alpha : α in [0, 1).
    draws : K.

    Source li2016renyi
    """

    log_target: Callable  # not static: it may be a model's method, which holds arrays
    alpha: float = eqx.field(static=True, default=0.5)
    draws: int = eqx.field(static=True, default=256)

    def __check_init__(self) -> None:
        _check_draws(self.draws)
        if not 0 <= self.alpha < 1:
            raise OptionError(f"alpha={self.alpha}", "0 ≤ alpha < 1; FreeEnergy is the limit 1")

    def __call__(
        self, model: Density, stage: Stage, key: Array
    ) -> tuple[Float[Array, ""], dict[str, Any]]:
        x, log_q = sample_and_log_prob(model, key, self.draws)
        log_w = stage.beta * self.log_target(x) - log_q
        power = 1 - self.alpha
        total = jax.nn.logsumexp(power * log_w) - jnp.log(float(self.draws))
        return -total / power, {}


def _check_draws(draws: int) -> None:
    if draws < 1:
        raise OptionError(f"draws={draws}", "at least 1")
