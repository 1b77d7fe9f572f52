"""Recipes: functions that return a model."""

from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.image import glow, realnvp_image
from pushforward.models.linear import gaussian
from pushforward.models.registry import build, names, recipe
from pushforward.models.residual import iresnet, residual_flow

__all__ = [
    "build",
    "gaussian",
    "glow",
    "iresnet",
    "maf",
    "names",
    "nsf",
    "realnvp",
    "realnvp_image",
    "recipe",
    "residual_flow",
]
