"""Images as flat events: layers that know the shape, several scales, and the recipes."""

import jax

from cases.case import Case, kept, own, spline
from pushforward.models import build
from pushforward.transforms import (
    ActNorm,
    BoundedAffine,
    Chain,
    Coupling,
    ImageCoupling,
    Leading,
    PerPixel,
    conv1x1,
    multiscale,
    squeeze,
)

_SMALL = {"layers": 2, "hidden": (8, 8)}


def _image(shape, template, context_dim=0, **options):
    options = {"hidden": (6, 6), **options}
    return lambda key: ImageCoupling(shape, template(), key=key, context_dim=context_dim, **options)


def _levels(key):
    first, second = jax.random.split(key)
    return multiscale(
        [
            Chain([_image((4, 1, 2), BoundedAffine)(first), squeeze((1, 2, 4))]),
            conv1x1((2, 1, 2), key=second),
        ]
    )


TRANSFORMS = {
    "actnorm": Case(lambda key: ActNorm(2, 3), 6, sparsity=own(6)),
    "per_pixel": Case(
        lambda key: PerPixel(Coupling(2, spline(), key=key, context_dim=1, hidden=(8,)), 2),
        4,
        1,
        # Features 0 and 1 are the two pixels' first channel, which is kept.
        blind=2,
        sparsity=kept(4, 2) & (own(4) | own(4)[[2, 3, 0, 1]]),
    ),
    "conv1x1": Case(lambda key: conv1x1((3, 1, 2), key=key), 6),
    "squeeze": Case(lambda key: squeeze((2, 2, 2)), 8, trains=False),
    "coupling_image": Case(_image((2, 2, 2), BoundedAffine), 8, sparsity=kept(8, 4)),
    "coupling_image_spline": Case(
        _image((3, 1, 2), spline, 1, kernel=1, activation="tanh"), 6, 1, blind=2
    ),
    "leading": Case(lambda key: Leading(Coupling(3, BoundedAffine(), key=key, hidden=(8,)), 5), 5),
    "multiscale": Case(_levels, 8),
    # Two levels. As a density it would have too many features for boxes to hold its samples.
    "glow_levels": Case(
        lambda key: build("glow", 16, key=key, shape=(1, 4, 4), context_dim=1, **_SMALL).transform,
        16,
        1,
    ),
}
MODELS = {
    "glow": Case(lambda key: build("glow", 2, key=key, **_SMALL), 2),
    "glow_image": Case(
        lambda key: build("glow", 4, key=key, shape=(1, 2, 2), context_dim=1, **_SMALL), 4, 1
    ),
    "realnvp_image": Case(
        lambda key: build("realnvp_image", 4, key=key, shape=(1, 2, 2), **_SMALL), 4
    ),
}
