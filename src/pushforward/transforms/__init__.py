"""Transforms: maps between a latent z and a datum x that return dlogp of the pair."""

from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.elementwise import Affine, BoundedAffine, Exp, Sigmoid, Sinh
from pushforward.transforms.linear import LU, Triangular
from pushforward.transforms.marginal import MarginalSpline, Warp
from pushforward.transforms.orthogonal import Householder, Orthogonal
from pushforward.transforms.periodic import CircularSpline, IntervalSpline, wrap
from pushforward.transforms.permute import Permute
from pushforward.transforms.planar import Planar, Radial, Sylvester
from pushforward.transforms.spaces import (
    StickBreaking,
    above,
    below,
    between,
    from_sphere,
    to_sphere,
)
from pushforward.transforms.spline import RationalQuadraticSpline
from pushforward.transforms.surjection import Augment, Max, RandomSigns, Slice, Sort

__all__ = [
    "LU",
    "Affine",
    "Augment",
    "BoundedAffine",
    "Chain",
    "CircularSpline",
    "Coupling",
    "Exp",
    "Frozen",
    "Householder",
    "IntervalSpline",
    "Invert",
    "MarginalSpline",
    "MaskedAutoregressive",
    "Max",
    "Orthogonal",
    "Permute",
    "Planar",
    "Radial",
    "RandomSigns",
    "RationalQuadraticSpline",
    "Scan",
    "Sigmoid",
    "Sinh",
    "Slice",
    "Sort",
    "StickBreaking",
    "Sylvester",
    "Triangular",
    "Warp",
    "above",
    "below",
    "between",
    "from_sphere",
    "to_sphere",
    "wrap",
]
