"""Layers in native code for a CPU, where a compiler was there at installation."""

from pushforward.native.layer import MOST_BINS, MOST_LEVELS, Layer, gradient, moved
from pushforward.native.library import is_there

__all__ = ["MOST_BINS", "MOST_LEVELS", "Layer", "gradient", "is_there", "moved"]
