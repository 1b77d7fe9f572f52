"""Densities: laws that answer log_prob and sample."""

from pushforward.densities.discrete import DiscreteFlow, ModularShift
from pushforward.densities.numpyro import NumPyroDensity
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
from pushforward.densities.standard import StandardNormal, StudentT, Uniform

__all__ = [
    "Abs",
    "Branches",
    "DiscreteFlow",
    "Fold",
    "HalfNormal",
    "ModularShift",
    "NumPyroDensity",
    "PreimageSum",
    "Pushforward",
    "Sorted",
    "Square",
    "StandardNormal",
    "StudentT",
    "Uniform",
]
