"""Objectives: pure functions (model, batch, key) → (loss, info)."""

from pushforward.fitting.objectives.likelihood import negative_log_likelihood
from pushforward.fitting.objectives.variational import FreeEnergy, RenyiBound, Stage

__all__ = [
    "FreeEnergy",
    "RenyiBound",
    "Stage",
    "negative_log_likelihood",
]
