"""Every transform, density and model by name, with what it promises; the laws run over all."""

from cases import (
    bases,
    basic,
    composed,
    densities,
    matrix,
    models,
    monotone,
    planar,
    scalar,
)
from cases.case import Case

TRANSFORMS = {
    **basic.TRANSFORMS,
    **composed.TRANSFORMS,
    **matrix.TRANSFORMS,
    **monotone.TRANSFORMS,
    **planar.TRANSFORMS,
    **scalar.TRANSFORMS,
}
DENSITIES = {
    **bases.DENSITIES,
    **densities.DENSITIES,
    **matrix.DENSITIES,
    **scalar.DENSITIES,
}
MODELS = {
    **models.MODELS,
    **monotone.MODELS,
}

CASES = {**TRANSFORMS, **DENSITIES, **MODELS}

__all__ = ["CASES", "DENSITIES", "MODELS", "TRANSFORMS", "Case"]
