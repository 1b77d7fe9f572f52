"""Recipes: functions that return a model."""

from pushforward.models.discrete import discrete_flow
from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.folded import abs_flow, rad
from pushforward.models.linear import gaussian
from pushforward.models.registry import build, names, recipe
from pushforward.models.spaces import sphere_flow, torus_nsf

__all__ = [
    "abs_flow",
    "build",
    "discrete_flow",
    "gaussian",
    "maf",
    "names",
    "nsf",
    "rad",
    "realnvp",
    "recipe",
    "sphere_flow",
    "torus_nsf",
]
