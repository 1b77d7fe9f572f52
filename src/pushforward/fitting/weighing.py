"""Importance weights: how good an approximation of a target is, and means under the target."""

import dataclasses
import html
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import DataError, OptionError, ShapeError
from pushforward.core.evidence import Estimate, require_likelihood
from pushforward.densities.reparameterized import sample_and_log_prob
from pushforward.fitting.pareto import pareto_smoothed
from pushforward.fitting.target import check_target

_BLOCK = 4096
"""Draws at a time: bounds memory."""


@dataclasses.dataclass(frozen=True, repr=False)
class Importance:
    """Hold draws of a model with their importance weights for a target.

    Parameters
    ----------
    draws : rows `(n, dim)` of the model.
    log_weights : log p̃(x) − log q(x), as they are, nats.
    smoothed : normalized log-weights after Pareto smoothing; they sum to one as weights.
    k_hat : shape of the weights' tail. Below `k_limit` means under the target can be trusted.
    k_limit : min(1 − 1/log₁₀ n, 0.7).
    ess : effective number of draws, (Σ w)² / Σ w², of the smoothed weights.
    log_evidence : estimate of log Z = log ∫ p̃ by the mean raw weight; below it on average.
    elbo : estimate of E_q[log p̃ − log q], a lower bound of log Z.
    """

    draws: Float[np.ndarray, "n dim"]
    log_weights: Float[np.ndarray, " n"]
    smoothed: Float[np.ndarray, " n"]
    k_hat: float
    k_limit: float
    ess: float
    log_evidence: Estimate
    elbo: Estimate

    def mean(self, values: Any = None) -> Estimate:
        """Return the mean under the target of one number or vector per draw (the draws' own).

        Self-normalized with the smoothed weights; the standard error is that of the draws, and
        means nothing where k̂ exceeds its limit.
        """
        values = self.draws if values is None else np.asarray(values, float)
        if len(values) != len(self.smoothed):
            raise ShapeError(f"{len(values)} values", f"one per draw: {len(self.smoothed)}")
        weights = np.exp(self.smoothed)
        mean = np.tensordot(weights, values, 1)
        error = np.sqrt(np.tensordot(weights**2, (values - mean) ** 2, 1))
        return Estimate(jnp.asarray(mean), jnp.asarray(error), "consistent")

    def __repr__(self) -> str:
        return f"Importance({self._summary()})"

    def _repr_html_(self) -> str:
        return f"<p><b>Importance</b> {html.escape(self._summary())}</p>"

    def __rich__(self) -> str:
        return f"[bold]Importance[/bold] {self._summary()}"

    def _summary(self) -> str:
        verdict = "trust" if self.k_hat < self.k_limit else "do not trust"
        evidence, error = float(self.log_evidence.value), float(self.log_evidence.std_error)
        return (
            f"{len(self.draws)} draws, k_hat {self.k_hat:.2f} ({verdict} its means),"
            f" ESS {self.ess:.0f}, log evidence {evidence:.3f} ± {error:.3f} nats (from below)"
        )


def importance(model: Density, log_target: Callable, *, key: Array, n: int = 10_000) -> Importance:
    r"""Weigh a model's draws for an unnormalized target: w = p̃(x) / q(x), x from q.

    The largest weights are Pareto smoothed; the shape k̂ of their tail says whether the model is
    near enough to the target for means under it (k̂ < min(1 − 1/log₁₀ n, 0.7)). A region of the
    target that the model never visits leaves no trace in k̂, the ESS or the evidence.

    Parameters
    ----------
    model : a density without context, with a likelihood.
    log_target : log p̃, a function of rows `(n, dim)` to `(n,)`.
    key : random key.
    n : number of draws, at least 100.

    Raises
    ------
    DataError : a weight is NaN or infinite, or all are zero.

    Source vehtari2024psis, yao2018yes
    """
    require_likelihood(model.evidence)
    check_target(log_target, model.dim)
    if n < 100:
        raise OptionError(f"n={n} draws", "at least 100")
    count = -(-n // _BLOCK)
    blocks = [_weigh(model, log_target, k, -(-n // count)) for k in jax.random.split(key, count)]
    draws, log_weights = (
        np.concatenate([np.asarray(block[i], float) for block in blocks])[:n] for i in (0, 1)
    )
    top = log_weights.max()
    if not np.isfinite(top):  # NaN is the largest of all
        raise DataError(
            f"a largest log-weight of {top}",
            "a log-target that is finite where the model has samples",
            "map the target to the model's support",
        )
    smoothed, k_hat = pareto_smoothed(log_weights)
    smoothed = smoothed - _log_sum(smoothed)
    relative = np.exp(log_weights - top)
    # The delta method: sd of log mean w is sd(w) / (mean(w) √n).
    error = relative.std() / (relative.mean() * math.sqrt(n))
    evidence = top + math.log(relative.mean())
    seen = np.isfinite(log_weights).all()
    elbo_error = log_weights.std() / math.sqrt(n) if seen else math.inf
    return Importance(
        draws=draws,
        log_weights=log_weights,
        smoothed=smoothed,
        k_hat=k_hat,
        k_limit=min(1 - 1 / math.log10(n), 0.7),
        ess=float(np.exp(-_log_sum(2 * smoothed))),
        log_evidence=Estimate(jnp.asarray(evidence), jnp.asarray(error), "lower"),
        elbo=Estimate(jnp.asarray(log_weights.mean()), jnp.asarray(elbo_error), "lower"),
    )


@eqx.filter_jit
def _weigh(
    model: Density, log_target: Callable, key: Array, n: int
) -> tuple[Float[Array, "n dim"], Float[Array, " n"]]:
    x, log_q = sample_and_log_prob(model, key, n)
    return x, log_target(x) - log_q


def _log_sum(log_weights: Float[np.ndarray, " n"]) -> float:
    top = log_weights.max()
    return float(top + np.log(np.exp(log_weights - top).sum()))
