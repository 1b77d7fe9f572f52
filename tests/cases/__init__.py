"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import basic, densities, image, models, planar, residual
from cases.case import Case

TRANSFORMS = {
    **basic.TRANSFORMS,
    **planar.TRANSFORMS,
    **residual.TRANSFORMS,
    **image.TRANSFORMS,
}
DENSITIES = densities.DENSITIES
MODELS = {**models.MODELS, **residual.MODELS, **image.MODELS}

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
