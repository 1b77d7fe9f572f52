"""Learning: one verb, `fit`, and what it is made of."""

from pushforward.fitting.batch import Batch
from pushforward.fitting.gradient import fit
from pushforward.fitting.noise import TrainingNoise
from pushforward.fitting.objectives import (
    negative_elbo,
    negative_estimate,
    negative_log_likelihood,
)
from pushforward.fitting.outcome import Fit

__all__ = [
    "Batch",
    "Fit",
    "TrainingNoise",
    "fit",
    "negative_elbo",
    "negative_estimate",
    "negative_log_likelihood",
]
