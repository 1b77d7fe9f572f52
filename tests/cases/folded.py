"""Laws of maps that are not one-to-one: sums over preimages, and layers that draw."""

import numpy as np

from cases.case import Case, layer, spline
from pushforward.densities import (
    Abs,
    Fold,
    HalfNormal,
    PreimageSum,
    Pushforward,
    Sorted,
    Square,
    StandardNormal,
    StudentT,
)
from pushforward.models import build
from pushforward.transforms import MaskedAutoregressive, Max, RandomSigns, Slice, Sort

_SMALL = {"layers": 2, "hidden": (8, 8), "bins": 4}
_POSITIVE = {"low": 0.05, "high": 4.0, "support": (0.0, np.inf)}


def _flow(key, dim=2, context_dim=0):
    transform = layer(MaskedAutoregressive, dim, spline, context_dim)(key)
    return Pushforward(transform, StandardNormal(dim))


DENSITIES = {
    "half_normal": Case(lambda key: HalfNormal(2), 2, **_POSITIVE),
    "preimage_abs": Case(
        lambda key: PreimageSum(Abs(2, (1,)), _flow(key)),
        2,
        low=0.05,
        high=4.0,
        support=((-np.inf, 0.0), (np.inf, np.inf)),
    ),
    "preimage_square": Case(lambda key: PreimageSum(Square(2), _flow(key)), 2, **_POSITIVE),
    "preimage_fold": Case(
        lambda key: PreimageSum(Fold([2.0, 0.0], 0.5), _flow(key)),
        2,
        low=0.6,
        high=4.0,
        support=((0.5, -np.inf), (np.inf, np.inf)),
    ),
    "slice": Case(lambda key: Pushforward(Slice(1, _flow(key, 2, 1)), StudentT(1)), 3),
    "max": Case(lambda key: Pushforward(Max(HalfNormal(1)), StudentT(1)), 2),
    "sort": Case(lambda key: Pushforward(Sort(2), PreimageSum(Sorted(2), _flow(key))), 2),
    "random_signs": Case(
        lambda key: Pushforward(RandomSigns(2, key=key, hidden=(8, 8)), HalfNormal(2)), 2
    ),
    "abs_flow": Case(lambda key: build("abs_flow", 2, key=key, **_SMALL), 2, **_POSITIVE),
    "abs_flow_context": Case(
        lambda key: build("abs_flow", 2, key=key, context_dim=1, **_SMALL), 2, 1, **_POSITIVE
    ),
    # One layer: two give ridges too narrow for 600 nodes a side.
    "rad": Case(lambda key: build("rad", 2, key=key, **_SMALL | {"layers": 1}), 2),
    "rad_context": Case(
        lambda key: build("rad", 2, key=key, context_dim=2, **_SMALL | {"layers": 1}), 2, 2
    ),
}
