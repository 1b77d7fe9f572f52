"""Fit probability densities, evaluate them exactly where that is possible, and sample from them."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_WHERE = {
    "Buffer": "pushforward.core",
    "Chain": "pushforward.transforms",
    "Density": "pushforward.core",
    "DensityEstimator": "pushforward.estimators",
    "Estimate": "pushforward.core",
    "Evidence": "pushforward.core",
    "Fit": "pushforward.fitting",
    "Pushforward": "pushforward.densities",
    "Transform": "pushforward.core",
    "combine": "pushforward.core",
    "fit": "pushforward.fitting",
    "load": "pushforward.store",
    "partition": "pushforward.core",
    "save": "pushforward.store",
}
_FOLDERS = ("core", "densities", "estimators", "fitting", "models", "report", "store", "tables", "transforms")

__all__ = [*_WHERE, *_FOLDERS]

if TYPE_CHECKING:
    from pushforward import densities, estimators, fitting, models, store, tables, transforms
    from pushforward.core import (
        Buffer,
        Density,
        Estimate,
        Evidence,
        Transform,
        combine,
        partition,
    )
    from pushforward.densities import Pushforward
    from pushforward.estimators import DensityEstimator
    from pushforward.fitting import Fit, fit
    from pushforward.store import load, save
    from pushforward.transforms import Chain


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name in _FOLDERS:
        return importlib.import_module(f"pushforward.{name}")
    raise AttributeError(f"module 'pushforward' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
