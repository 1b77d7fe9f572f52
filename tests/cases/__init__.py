"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import (
    bases,
    basic,
    composed,
    densities,
    folded,
    gaussianization,
    image,
    matrix,
    models,
    monotone,
    planar,
    residual,
    scalar,
    spaces,
)
from cases.case import Case

TRANSFORMS = {
    **basic.TRANSFORMS,
    **composed.TRANSFORMS,
    **gaussianization.TRANSFORMS,
    **image.TRANSFORMS,
    **matrix.TRANSFORMS,
    **monotone.TRANSFORMS,
    **planar.TRANSFORMS,
    **residual.TRANSFORMS,
    **scalar.TRANSFORMS,
    **spaces.TRANSFORMS,
}
DENSITIES = {
    **bases.DENSITIES,
    **densities.DENSITIES,
    **folded.DENSITIES,
    **matrix.DENSITIES,
    **scalar.DENSITIES,
    **spaces.DENSITIES,
}
MODELS = {
    **gaussianization.MODELS,
    **image.MODELS,
    **models.MODELS,
    **monotone.MODELS,
    **residual.MODELS,
    **spaces.MODELS,
}

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
