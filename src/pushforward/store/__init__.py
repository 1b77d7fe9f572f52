"""Models on disk: data, not code."""

from typing import TYPE_CHECKING

from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward.store.description import describe
    from pushforward.store.models import load, save

_WHERE = {"describe": "description", "load": "models", "save": "models"}

__all__ = ["describe", "load", "save"]

__getattr__ = lazily(__name__, _WHERE)
