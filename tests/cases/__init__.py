"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import basic, densities, folded, models, planar, spaces
from cases.case import Case

TRANSFORMS = {**basic.TRANSFORMS, **planar.TRANSFORMS, **spaces.TRANSFORMS}
DENSITIES = {**densities.DENSITIES, **spaces.DENSITIES, **folded.DENSITIES}
MODELS = {**models.MODELS, **spaces.MODELS}

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
