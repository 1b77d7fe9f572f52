"""Transforms: maps between a latent z and a datum x that return dlogp of the pair."""

from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.block import BlockAutoregressive
from pushforward.transforms.compose import Chain, Frozen, Invert, Scan
from pushforward.transforms.coupling import Coupling
from pushforward.transforms.cubic import CubicSpline
from pushforward.transforms.elementwise import Affine, BoundedAffine, Exp, Shift, Sigmoid, Sinh
from pushforward.transforms.integral import UnconstrainedMonotonic
from pushforward.transforms.linear import LU, Triangular
from pushforward.transforms.marginal import MarginalSpline, Warp
from pushforward.transforms.orthogonal import Householder, Orthogonal
from pushforward.transforms.permute import Permute
from pushforward.transforms.piecewise import LinearRationalSpline, LinearSpline
from pushforward.transforms.planar import Planar, Radial, Sylvester
from pushforward.transforms.polynomial import Bernstein, SumOfSquares
from pushforward.transforms.sigmoidal import DeepDenseSigmoidal, DeepSigmoidal, MixtureCDF
from pushforward.transforms.spline import RationalQuadraticSpline

__all__ = [
    "Bernstein",
    "BlockAutoregressive",
    "CubicSpline",
    "DeepDenseSigmoidal",
    "DeepSigmoidal",
    "LinearRationalSpline",
    "LinearSpline",
    "MixtureCDF",
    "Shift",
    "SumOfSquares",
    "UnconstrainedMonotonic",
    "LU",
    "Affine",
    "BoundedAffine",
    "Chain",
    "Coupling",
    "Exp",
    "Frozen",
    "Householder",
    "Invert",
    "MarginalSpline",
    "MaskedAutoregressive",
    "Orthogonal",
    "Permute",
    "Planar",
    "Radial",
    "RationalQuadraticSpline",
    "Scan",
    "Sigmoid",
    "Sinh",
    "Sylvester",
    "Triangular",
    "Warp",
]
