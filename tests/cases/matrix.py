"""Linear maps by their factors, and the normal that a matrix makes."""

import numpy as np

from cases.case import Case
from pushforward.densities import Pushforward, StandardNormal
from pushforward.transforms import QR, SVD, Chain, Frozen, LowRank, Matrix, Rotation, SignedAffine

FULL = np.ones((3, 3), bool)
SWAPPING = np.array([[0.0, 2.0, 1.0], [-3.0, 0.5, 0.2], [0.1, 0.4, -1e-2]])
"""Its first pivot is zero and its determinant negative."""


def turned(rotation):
    """Stretch before turning: a rotation alone leaves the normal's likelihood as it is."""
    return lambda key: Chain([Frozen(SignedAffine(0.0, [1.0, 2.0, -3.0])), rotation()])


TRANSFORMS = {
    "matrix": Case(lambda key: Matrix(SWAPPING, [1.0, 0.0, -1.0]), 3, sparsity=FULL),
    "matrix_one": Case(lambda key: Matrix([[-4.0]]), 1, sparsity=np.ones((1, 1), bool)),
    "qr": Case(lambda key: QR(3, key=key), 3, sparsity=FULL),
    "qr_two_reflections": Case(lambda key: QR(4, key=key, reflections=2), 4),
    "svd": Case(lambda key: SVD(3, key=key), 3, sparsity=FULL),
    "low_rank": Case(lambda key: LowRank(3, 2, key=key), 3, sparsity=FULL),
    "low_rank_one": Case(lambda key: LowRank(1, 1, key=key), 1, sparsity=np.ones((1, 1), bool)),
    "rotation": Case(turned(lambda: Rotation(3, [0.3, -1.0, 2.0])), 3, sparsity=FULL),
    "rotation_one_plane": Case(
        turned(lambda: Rotation(3, 0.7, ((2, 0),))),
        3,
        sparsity=np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool),
    ),
}

DENSITIES = {
    "matrix_normal": Case(
        lambda key: Pushforward(Matrix([[0.0, -2.0], [1.0, 0.5]]), StandardNormal(2)), 2
    ),
}
