"""Metrics: arrays in, a Result out; they know no model."""

from pushforward.metrics.result import Result
from pushforward.metrics.two_sample import c2st

__all__ = ["Result", "c2st"]
