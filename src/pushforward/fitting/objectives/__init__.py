"""Objectives: pure functions (model, batch, key) → (loss, info)."""

from pushforward.fitting.objectives.likelihood import negative_log_likelihood

__all__ = [
    "negative_log_likelihood",
]
