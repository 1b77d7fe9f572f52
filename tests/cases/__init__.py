"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import bases, basic, densities, models, planar
from cases.case import Case

TRANSFORMS = {**basic.TRANSFORMS, **planar.TRANSFORMS}
DENSITIES = {**densities.DENSITIES, **bases.DENSITIES}
MODELS = models.MODELS

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
