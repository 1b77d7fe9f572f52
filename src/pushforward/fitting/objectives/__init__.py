"""Objectives: pure functions (model, batch, key) → (loss, info)."""

from pushforward.fitting.objectives.likelihood import (
    negative_elbo,
    negative_estimate,
    negative_log_likelihood,
    usual_objective,
)
from pushforward.fitting.objectives.variational import FreeEnergy, RenyiBound, Stage

__all__ = [
    "FreeEnergy",
    "RenyiBound",
    "Stage",
    "negative_elbo",
    "negative_estimate",
    "negative_log_likelihood",
    "usual_objective",
]
