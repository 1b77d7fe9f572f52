"""Recipes: functions that return a model."""

from pushforward.models.discrete import discrete_flow
from pushforward.models.flows import iaf, maf, nsf, realnvp
from pushforward.models.folded import abs_flow, rad
from pushforward.models.gaussianization import rbig, sinf
from pushforward.models.image import glow, realnvp_image
from pushforward.models.linear import gaussian
from pushforward.models.low_rank import planar, radial, sylvester
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
from pushforward.models.registry import build, names, recipe
from pushforward.models.residual import iresnet, residual_flow
from pushforward.models.spaces import sphere_flow, torus_nsf
from pushforward.models.tailed import simplex_nsf, taf

__all__ = [
    "abs_flow",
    "bernstein",
    "bnaf",
    "build",
    "crs",
    "discrete_flow",
    "flowpp",
    "gaussian",
    "glow",
    "iaf",
    "iresnet",
    "linear_spline",
    "lrs",
    "maf",
    "mixture",
    "naf",
    "names",
    "nice",
    "nsf",
    "planar",
    "rad",
    "radial",
    "rbig",
    "realnvp",
    "realnvp_image",
    "recipe",
    "residual_flow",
    "simplex_nsf",
    "sinf",
    "sospf",
    "sphere_flow",
    "sylvester",
    "taf",
    "torus_nsf",
    "umnn",
]
