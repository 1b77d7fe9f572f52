"""Objectives: pure functions (model, batch, key) → (loss, info)."""

from pushforward.fitting.objectives.likelihood import (
    negative_elbo,
    negative_estimate,
    negative_log_likelihood,
    usual_objective,
)

__all__ = ["negative_elbo", "negative_estimate", "negative_log_likelihood", "usual_objective"]
