"""Residual layers and flows with an exact determinant."""

from cases.case import Case
from pushforward.models import build
from pushforward.transforms import Residual

_SMALL = {"layers": 2, "hidden": (8, 8)}


def _layer(dim, context_dim=0, **options):
    options = {"hidden": (8, 8), **options}
    return lambda key: Residual(dim, key=key, context_dim=context_dim, **options)


TRANSFORMS = {
    "residual": Case(_layer(3), 3),
    "residual_one": Case(_layer(1, activation="tanh"), 1),
    "residual_context": Case(_layer(2, 2, activation="elu"), 2, 2),
    # Beyond eight features the determinant is LAPACK's.
    "residual_wide": Case(_layer(9, hidden=(8,)), 9),
}
MODELS = {
    "iresnet": Case(lambda key: build("iresnet", 2, key=key, **_SMALL), 2),
    "iresnet_context": Case(
        lambda key: build("iresnet", 3, key=key, context_dim=1, **_SMALL), 3, 1
    ),
}
