"""Densities: laws that answer log_prob and sample."""

from pushforward.densities.as_numpyro import to_numpyro
from pushforward.densities.gaussian import diagonal_gaussian, full_gaussian, gaussian_mixture
from pushforward.densities.logistic import Logistic
from pushforward.densities.mixture import Mixture
from pushforward.densities.numpyro import NumPyroDensity
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.reparameterized import sample_and_log_prob
from pushforward.densities.standard import StandardNormal, StudentT, Uniform

__all__ = [
    "Logistic",
    "Mixture",
    "NumPyroDensity",
    "Pushforward",
    "StandardNormal",
    "StudentT",
    "Uniform",
    "diagonal_gaussian",
    "full_gaussian",
    "gaussian_mixture",
    "sample_and_log_prob",
    "to_numpyro",
]
