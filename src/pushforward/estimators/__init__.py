"""Estimators: scikit-learn's conventions over one model, thin."""

from pushforward.estimators.density import DensityEstimator

__all__ = ["DensityEstimator"]
