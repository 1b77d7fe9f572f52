"""Densities: laws that answer log_prob and sample."""

from pushforward.densities.numpyro import NumPyroDensity
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal, StudentT, Uniform

__all__ = ["NumPyroDensity", "Pushforward", "StandardNormal", "StudentT", "Uniform"]
