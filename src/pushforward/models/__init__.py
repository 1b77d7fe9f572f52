"""Recipes: functions that return a model."""

from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.linear import gaussian
from pushforward.models.mixtures import mixture
from pushforward.models.registry import build, names, recipe

__all__ = ["build", "gaussian", "maf", "mixture", "names", "nsf", "realnvp", "recipe"]
