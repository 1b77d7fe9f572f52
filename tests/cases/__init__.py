"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import basic, composed, densities, models, planar
from cases.case import Case

TRANSFORMS = {**basic.TRANSFORMS, **composed.TRANSFORMS, **planar.TRANSFORMS}
DENSITIES = densities.DENSITIES
from cases import basic, densities, matrix, models, planar, scalar
from cases.case import Case

TRANSFORMS = {
    **basic.TRANSFORMS,
    **planar.TRANSFORMS,
    **scalar.TRANSFORMS,
    **matrix.TRANSFORMS,
}
DENSITIES = {**densities.DENSITIES, **scalar.DENSITIES, **matrix.DENSITIES}
MODELS = models.MODELS

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
