"""What a number is: exact, numerical, a bound, an estimate, unnormalized, or none."""

import enum
from typing import Literal

import equinox as eqx
from jaxtyping import Array, Float

from pushforward.core.errors import EvidenceError


class Evidence(enum.IntEnum):
    """Order what a model's numbers are, strongest first; a stack has its weakest part's."""

    EXACT = 0
    NUMERICAL = 1
    BOUND = 2
    ESTIMATE = 3
    UNNORMALIZED = 4
    NONE = 5

    def __str__(self) -> str:
        return self.name.lower()


def weakest(*parts: Evidence) -> Evidence:
    """Return the evidence of a stack of parts: that of its weakest."""
    return max(parts, default=Evidence.EXACT)


def require_likelihood(evidence: Evidence) -> None:
    """Raise `EvidenceError` where `log_prob` would not be a likelihood."""
    if evidence > Evidence.NUMERICAL:
        raise EvidenceError(
            f"log_prob of a model whose numbers are '{evidence}'",
            "evidence 'exact' or 'numerical'",
            "ask for elbo, estimate_log_prob or unnormalized_log_prob instead",
        )


class Estimate(eqx.Module):
    """Hold an estimated number with its standard error and the kind of estimator it came from.

    Parameters
    ----------
    value : the estimate, nats unless said otherwise.
    std_error : standard error over the draws it was made from.
    kind : "unbiased", "consistent", or a stochastic "lower" or "upper" bound.
    """

    value: Float[Array, "..."]
    std_error: Float[Array, "..."]
    kind: Literal["unbiased", "consistent", "lower", "upper"] = eqx.field(static=True)
