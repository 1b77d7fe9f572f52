"""Models on disk: data, not code."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pushforward.store.description import describe
    from pushforward.store.models import load, save

_WHERE = {"describe": "description", "load": "models", "save": "models"}

__all__ = ["describe", "load", "save"]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(importlib.import_module(f"pushforward.store.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'pushforward.store' has no attribute {name!r}")
