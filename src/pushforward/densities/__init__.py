"""Densities: laws that answer log_prob and sample."""

from typing import TYPE_CHECKING

from pushforward.densities.autoregressive import CategoricalAutoregressive
from pushforward.densities.discrete import DiscreteFlow, ModularShift
from pushforward.densities.gaussian import diagonal_gaussian, full_gaussian, gaussian_mixture
from pushforward.densities.logistic import Logistic
from pushforward.densities.measured import Measured
from pushforward.densities.mixed import Mixed
from pushforward.densities.mixture import Mixture
from pushforward.densities.numpyro import NumPyroDensity
from pushforward.densities.ordered import Conditional, Marginal
from pushforward.densities.preimage import (
    Abs,
    Branches,
    Fold,
    HalfNormal,
    PreimageSum,
    Sorted,
    Square,
)
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.reparameterized import sample_and_log_prob
from pushforward.densities.resampled import Resampled
from pushforward.densities.sharpened import sample_highest_density, tempered
from pushforward.densities.standard import StandardNormal, StudentT, Uniform
from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward.densities.as_numpyro import to_numpyro

__getattr__ = lazily(__name__, {"to_numpyro": "as_numpyro"})

__all__ = [
    "Abs",
    "Branches",
    "CategoricalAutoregressive",
    "Conditional",
    "DiscreteFlow",
    "Fold",
    "HalfNormal",
    "Logistic",
    "Marginal",
    "Measured",
    "Mixed",
    "Mixture",
    "ModularShift",
    "NumPyroDensity",
    "PreimageSum",
    "Pushforward",
    "Resampled",
    "Sorted",
    "Square",
    "StandardNormal",
    "StudentT",
    "Uniform",
    "diagonal_gaussian",
    "full_gaussian",
    "gaussian_mixture",
    "sample_and_log_prob",
    "sample_highest_density",
    "tempered",
    "to_numpyro",
]
