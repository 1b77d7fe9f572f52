"""Recipes: functions that return a model."""

from pushforward.models.flows import iaf, maf, nsf, realnvp
from pushforward.models.linear import gaussian
from pushforward.models.mixtures import mixture
from pushforward.models.monotone import (
    bernstein,
    bnaf,
    crs,
    flowpp,
    linear_spline,
    lrs,
    naf,
    nice,
    sospf,
    umnn,
)
from pushforward.models.planar import planar, radial, sylvester
from pushforward.models.registry import build, names, recipe

__all__ = [
    "bernstein",
    "bnaf",
    "build",
    "crs",
    "flowpp",
    "gaussian",
    "iaf",
    "linear_spline",
    "lrs",
    "maf",
    "mixture",
    "naf",
    "names",
    "nice",
    "nsf",
    "planar",
    "radial",
    "realnvp",
    "recipe",
    "sospf",
    "sylvester",
    "umnn",
]
