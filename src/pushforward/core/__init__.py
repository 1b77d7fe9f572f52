"""Abstract bases, evidence, parameters, keys, the rows border, safe numerics, errors."""

from pushforward.core.bases import Density, Transform
from pushforward.core.evidence import Estimate, Evidence, weakest
from pushforward.core.parameters import Buffer, combine, count_parameters, partition

__all__ = [
    "Buffer",
    "Density",
    "Estimate",
    "Evidence",
    "Transform",
    "combine",
    "count_parameters",
    "partition",
    "weakest",
]
