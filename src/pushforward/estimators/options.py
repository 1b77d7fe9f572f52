"""What an estimator's constructor was given, as the choices of a table fit."""

from pathlib import Path
from typing import Any

from pushforward.estimators.checks import seed_of
from pushforward.judge.settings import Settings

_AS_THEY_ARE = (
    "model",
    "missing",
    "validation",
    "holdout",
    "split",
    "max_epochs",
    "max_time",
    "nodes",
    "progress",
)


def settings_of(estimator: Any) -> Settings:
    """Return the choices of an estimator's fit, which begins now."""
    return Settings(
        **{name: getattr(estimator, name) for name in _AS_THEY_ARE},
        seed=seed_of(estimator.random_state),
        checkpoint=None if estimator.checkpoint is None else Path(estimator.checkpoint),
    )
