"""Recipes: functions that return a model."""

from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.linear import gaussian
from pushforward.models.registry import build, names, recipe
from pushforward.models.residual import iresnet, residual_flow

__all__ = [
    "build",
    "gaussian",
    "iresnet",
    "maf",
    "names",
    "nsf",
    "realnvp",
    "recipe",
    "residual_flow",
]
