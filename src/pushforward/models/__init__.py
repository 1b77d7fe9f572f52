"""Recipes: functions that return a model."""

from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.linear import gaussian
from pushforward.models.planar import planar, radial, sylvester
from pushforward.models.registry import build, names, recipe

__all__ = [
    "build",
    "gaussian",
    "maf",
    "names",
    "nsf",
    "planar",
    "radial",
    "realnvp",
    "recipe",
    "sylvester",
]
