"""Recipes that pf.fit finds layer by layer, without a gradient."""

from jaxtyping import Array

from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.gaussianization import Gaussianization, GreedyPlan


def rbig(
    dim: int,
    *,
    key: Array,
    layers: int = 100,
    rotation: str = "random",
    radial: bool = True,
    marginal: str = "adaptive",
    tails: str = "gaussian",
    damping: float = 0.0,
    shape: tuple[int, int, int] | None = None,
) -> Pushforward:
    """Gaussianize margins and rotate, in turn: rotation-based iterative Gaussianization.

    The options are those of `GreedyPlan`; `layers` is how many at most.

    Source laparra2011rbig
    """
    plan = GreedyPlan(layers, rotation, radial, None, marginal, tails, damping, shape)
    return Pushforward(Gaussianization(dim, plan), StandardNormal(dim))


def sinf(
    dim: int,
    *,
    key: Array,
    layers: int = 100,
    radial: bool = True,
    directions: int | None = None,
    marginal: str = "adaptive",
    tails: str = "gaussian",
    damping: float = 0.0,
) -> Pushforward:
    """Gaussianize the directions that are farthest from normal: sliced iterative flow.

    `directions` is how many a layer changes, chosen from rows and columns if not given.

    Source dai2021sinf
    """
    plan = GreedyPlan(layers, "sliced", radial, directions, marginal, tails, damping)
    return Pushforward(Gaussianization(dim, plan), StandardNormal(dim))
