"""Fit probability densities, evaluate them exactly where that is possible, and sample from them."""

from typing import TYPE_CHECKING

from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward import densities as densities
    from pushforward import estimators as estimators
    from pushforward import fitting as fitting
    from pushforward import information as information
    from pushforward import models as models
    from pushforward import report as report
    from pushforward import store as store
    from pushforward import tables as tables
    from pushforward import transforms as transforms
    from pushforward.core import Buffer as Buffer
    from pushforward.core import Density as Density
    from pushforward.core import Estimate as Estimate
    from pushforward.core import Evidence as Evidence
    from pushforward.core import Transform as Transform
    from pushforward.core import combine as combine
    from pushforward.core import partition as partition
    from pushforward.densities import Pushforward as Pushforward
    from pushforward.estimators import ConditionalDensityEstimator as ConditionalDensityEstimator
    from pushforward.estimators import DensityEstimator as DensityEstimator
    from pushforward.estimators import OutlierDetector as OutlierDetector
    from pushforward.fitting import Fit as Fit
    from pushforward.fitting import TrainingNoise as TrainingNoise
    from pushforward.fitting import fit as fit
    from pushforward.fitting import fit_to_target as fit_to_target
    from pushforward.fitting import importance as importance
    from pushforward.store import load as load
    from pushforward.store import save as save
    from pushforward.transforms import Chain as Chain

__version__ = "0.1.0"

_WHERE = {
    "Buffer": "core",
    "Chain": "transforms",
    "ConditionalDensityEstimator": "estimators",
    "Density": "core",
    "DensityEstimator": "estimators",
    "Estimate": "core",
    "Evidence": "core",
    "Fit": "fitting",
    "OutlierDetector": "estimators",
    "Pushforward": "densities",
    "TrainingNoise": "fitting",
    "Transform": "core",
    "combine": "core",
    "core": "",
    "densities": "",
    "estimators": "",
    "fit": "fitting",
    "fit_to_target": "fitting",
    "fitting": "",
    "importance": "fitting",
    "information": "",
    "load": "store",
    "models": "",
    "partition": "core",
    "report": "",
    "save": "store",
    "store": "",
    "tables": "",
    "transforms": "",
}

__all__ = list(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__ = lazily(__name__, _WHERE)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
