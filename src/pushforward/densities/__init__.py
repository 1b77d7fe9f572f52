"""Densities: laws that answer log_prob and sample."""

from pushforward.densities.numpyro import NumPyroDensity
from pushforward.densities.ordered import Conditional, Marginal
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.sharpened import sample_highest_density, tempered
from pushforward.densities.standard import StandardNormal, StudentT, Uniform

__all__ = [
    "Conditional",
    "Marginal",
    "NumPyroDensity",
    "Pushforward",
    "StandardNormal",
    "StudentT",
    "Uniform",
    "sample_highest_density",
    "tempered",
]
