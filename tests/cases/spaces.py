"""The circle, the torus, an interval, the simplex, the sphere."""

import numpy as np

from cases.case import Case, before, kept, layer, own
from pushforward.densities import Pushforward, StandardNormal
from pushforward.models import build
from pushforward.transforms import (
    BoundedAffine,
    Chain,
    CircularSpline,
    Coupling,
    IntervalSpline,
    MaskedAutoregressive,
    StickBreaking,
)

_SMALL = {"layers": 2, "hidden": (8, 8), "bins": 4}
_CIRCLE = {"support": (-np.pi, np.pi), "closed": True}
_SPHERE = {
    "low": -0.95,
    "high": 0.95,
    "support": ((-1.0, -np.pi), (1.0, np.pi)),
    "closed": True,
}
_SIMPLEX = {
    "low": 0.05,
    "high": 0.45,
    "support": (0.0, 1.0),
    "inside": lambda x: (x > 0).all(0) & (x.sum(0) < 1 - 1e-6),
}


def circle():
    return CircularSpline(4)


TRANSFORMS = {
    "circular_spline": Case(lambda key: CircularSpline(5), 2, sparsity=own(2), **_CIRCLE),
    "interval_spline": Case(
        lambda key: IntervalSpline(5, 1.5),
        2,
        low=-1.4,
        high=1.4,
        support=(-1.5, 1.5),
        closed=True,
        sparsity=own(2),
    ),
    "coupling_circle": Case(layer(Coupling, 3, circle), 3, sparsity=kept(3, 1), **_CIRCLE),
    "coupling_circle_context": Case(
        layer(Coupling, 2, circle, 1, activation="tanh"),
        2,
        1,
        sparsity=kept(2, 1),
        blind=1,
        **_CIRCLE,
    ),
    "autoregressive_circle": Case(
        layer(MaskedAutoregressive, 3, circle, residual=True), 3, sparsity=before(3), **_CIRCLE
    ),
    "autoregressive_circle_context": Case(
        layer(MaskedAutoregressive, 2, circle, 2, activation="silu"),
        2,
        2,
        sparsity=before(2),
        **_CIRCLE,
    ),
    "stick_breaking": Case(
        lambda key: StickBreaking(2), 2, sparsity=before(2), trains=False, **_SIMPLEX
    ),
}
DENSITIES = {
    "pushforward_simplex": Case(
        lambda key: Pushforward(
            Chain([layer(Coupling, 2, BoundedAffine)(key), StickBreaking(2)]), StandardNormal(2)
        ),
        2,
        **_SIMPLEX,
    ),
}
MODELS = {
    "nsf_torus": Case(lambda key: build("torus_nsf", 2, key=key, **_SMALL), 2, **_CIRCLE),
    "nsf_torus_coupling_context": Case(
        lambda key: build("torus_nsf", 3, key=key, context_dim=1, coupling=True, **_SMALL),
        3,
        1,
        **_CIRCLE,
    ),
    "sphere_flow": Case(lambda key: build("sphere_flow", 2, key=key, **_SMALL), 2, **_SPHERE),
    "sphere_flow_context": Case(
        lambda key: build("sphere_flow", 2, key=key, context_dim=2, **_SMALL), 2, 2, **_SPHERE
    ),
}
