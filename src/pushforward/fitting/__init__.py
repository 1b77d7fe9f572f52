"""Learning: one verb, `fit`, and what it is made of."""

from typing import TYPE_CHECKING

from pushforward.fitting.batch import Batch
from pushforward.fitting.gradient import fit
from pushforward.fitting.mode import laplace
from pushforward.fitting.noise import TrainingNoise
from pushforward.fitting.objectives import (
    FreeEnergy,
    RenyiBound,
    Stage,
    negative_elbo,
    negative_estimate,
    negative_log_likelihood,
)
from pushforward.fitting.outcome import Fit
from pushforward.fitting.pareto import pareto_smoothed, pareto_tail
from pushforward.fitting.target import fit_to_target
from pushforward.fitting.weighing import Importance, importance
from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward.fitting.probabilistic import NumPyroTarget, numpyro_target

_PROBABILISTIC = ("NumPyroTarget", "numpyro_target")
__getattr__ = lazily(__name__, dict.fromkeys(_PROBABILISTIC, "probabilistic"))

__all__ = [
    "Batch",
    "Fit",
    "FreeEnergy",
    "Importance",
    "NumPyroTarget",
    "RenyiBound",
    "Stage",
    "TrainingNoise",
    "fit",
    "fit_to_target",
    "importance",
    "laplace",
    "negative_elbo",
    "negative_estimate",
    "negative_log_likelihood",
    "numpyro_target",
    "pareto_smoothed",
    "pareto_tail",
]
