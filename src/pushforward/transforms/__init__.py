"""Transforms: maps between a latent z and a datum x that return dlogp of the pair."""

from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.bounded import Log, Power, Softplus, Tanh
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.concatenate import Concatenate
from pushforward.transforms.conditioning import Condition
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.custom import Bijection, Monotone
from pushforward.transforms.elementwise import Affine, BoundedAffine, Exp, Sigmoid, Sinh
from pushforward.transforms.linear import LU, Triangular
from pushforward.transforms.lowrank import LowRank
from pushforward.transforms.marginal import MarginalSpline, Warp
from pushforward.transforms.matrix import QR, SVD, Matrix
from pushforward.transforms.orthogonal import Householder, Orthogonal, Rotation
from pushforward.transforms.permute import Permute
from pushforward.transforms.planar import Planar, Radial, Sylvester
from pushforward.transforms.scalar import LeakyRelu, Negate, SignedAffine, YeoJohnson
from pushforward.transforms.spline import RationalQuadraticSpline

__all__ = [
    "Affine",
    "Bijection",
    "BoundedAffine",
    "Chain",
    "Concatenate",
    "Condition",
    "Coupling",
    "Exp",
    "Frozen",
    "Householder",
    "Invert",
    "LU",
    "LeakyRelu",
    "Log",
    "LowRank",
    "MarginalSpline",
    "MaskedAutoregressive",
    "Matrix",
    "Monotone",
    "Negate",
    "Orthogonal",
    "Permute",
    "Planar",
    "Power",
    "QR",
    "Radial",
    "RationalQuadraticSpline",
    "Rotation",
    "SVD",
    "Scan",
    "Sigmoid",
    "SignedAffine",
    "Sinh",
    "Softplus",
    "Sylvester",
    "Tanh",
    "Triangular",
    "Warp",
    "YeoJohnson",
]
