"""Transforms: maps between a latent z and a datum x that return dlogp of the pair."""

from pushforward.transforms.absent import Present
from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.block import BlockAutoregressive
from pushforward.transforms.bounded import Log, Power, Softplus, Tanh
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.concatenate import Concatenate
from pushforward.transforms.conditioning import Condition
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.cubic import CubicSpline
from pushforward.transforms.custom import Bijection, Monotone
from pushforward.transforms.dequantize import Dequantize, bits_per_dimension
from pushforward.transforms.elementwise import Affine, BoundedAffine, Exp, Shift, Sigmoid, Sinh
from pushforward.transforms.gaussianization import Gaussianization, GreedyPlan
from pushforward.transforms.image import ActNorm, ImageCoupling, PerPixel, conv1x1, squeeze
from pushforward.transforms.integral import UnconstrainedMonotonic
from pushforward.transforms.leading import Leading, initialized, multiscale
from pushforward.transforms.linear import LU, ContextShift, Triangular
from pushforward.transforms.lowrank import LowRank
from pushforward.transforms.marginal import MarginalSpline
from pushforward.transforms.matrix import QR, SVD, Matrix
from pushforward.transforms.orthogonal import Basis, Householder, Orthogonal, Rotation
from pushforward.transforms.periodic import CircularSpline, IntervalSpline, wrap
from pushforward.transforms.permute import Permute
from pushforward.transforms.piecewise import LinearRationalSpline, LinearSpline
from pushforward.transforms.planar import Planar, Radial, Sylvester
from pushforward.transforms.polynomial import Bernstein, SumOfSquares
from pushforward.transforms.residual import Residual
from pushforward.transforms.scalar import LeakyRelu, Negate, SignedAffine, YeoJohnson
from pushforward.transforms.shells import RadialSpline
from pushforward.transforms.sigmoidal import DeepDenseSigmoidal, DeepSigmoidal, MixtureCDF
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
from pushforward.transforms.tails import Tails
from pushforward.transforms.warp import Warp

__all__ = [
    "ActNorm",
    "Affine",
    "Augment",
    "Basis",
    "Bernstein",
    "Bijection",
    "BlockAutoregressive",
    "BoundedAffine",
    "Chain",
    "CircularSpline",
    "Concatenate",
    "Condition",
    "ContextShift",
    "Coupling",
    "CubicSpline",
    "DeepDenseSigmoidal",
    "DeepSigmoidal",
    "Dequantize",
    "Exp",
    "Frozen",
    "Gaussianization",
    "GreedyPlan",
    "Householder",
    "ImageCoupling",
    "IntervalSpline",
    "Invert",
    "LU",
    "Leading",
    "LeakyRelu",
    "LinearRationalSpline",
    "LinearSpline",
    "Log",
    "LowRank",
    "MarginalSpline",
    "MaskedAutoregressive",
    "Matrix",
    "Max",
    "MixtureCDF",
    "Monotone",
    "Negate",
    "Orthogonal",
    "PerPixel",
    "Permute",
    "Planar",
    "Power",
    "Present",
    "QR",
    "Radial",
    "RadialSpline",
    "RandomSigns",
    "RationalQuadraticSpline",
    "Residual",
    "Rotation",
    "SVD",
    "Scan",
    "Shift",
    "Sigmoid",
    "SignedAffine",
    "Sinh",
    "Slice",
    "Softplus",
    "Sort",
    "StickBreaking",
    "SumOfSquares",
    "Sylvester",
    "Tails",
    "Tanh",
    "Triangular",
    "UnconstrainedMonotonic",
    "Warp",
    "YeoJohnson",
    "above",
    "below",
    "between",
    "bits_per_dimension",
    "conv1x1",
    "from_sphere",
    "initialized",
    "multiscale",
    "squeeze",
    "to_sphere",
    "wrap",
]
