"""Transforms: maps between a latent z and a datum x that return dlogp of the pair."""

from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.dequantize import Dequantize, bits_per_dimension
from pushforward.transforms.elementwise import Affine, BoundedAffine, Exp, Sigmoid, Sinh
from pushforward.transforms.image import ActNorm, ImageCoupling, PerPixel, conv1x1, squeeze
from pushforward.transforms.leading import Leading, initialized, multiscale
from pushforward.transforms.linear import LU, Triangular
from pushforward.transforms.marginal import MarginalSpline, Warp
from pushforward.transforms.orthogonal import Householder, Orthogonal
from pushforward.transforms.permute import Permute
from pushforward.transforms.planar import Planar, Radial, Sylvester
from pushforward.transforms.residual import Residual
from pushforward.transforms.spline import RationalQuadraticSpline

__all__ = [
    "LU",
    "ActNorm",
    "Affine",
    "BoundedAffine",
    "Chain",
    "Coupling",
    "Dequantize",
    "Exp",
    "Frozen",
    "Householder",
    "ImageCoupling",
    "Invert",
    "Leading",
    "MarginalSpline",
    "MaskedAutoregressive",
    "Orthogonal",
    "PerPixel",
    "Permute",
    "Planar",
    "Radial",
    "RationalQuadraticSpline",
    "Residual",
    "Scan",
    "Sigmoid",
    "Sinh",
    "Sylvester",
    "Triangular",
    "Warp",
    "bits_per_dimension",
    "conv1x1",
    "initialized",
    "multiscale",
    "squeeze",
]
