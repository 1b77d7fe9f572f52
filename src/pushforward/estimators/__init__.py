"""Estimators: scikit-learn's conventions over one model, thin."""

from pushforward.estimators.conditional import ConditionalDensityEstimator
from pushforward.estimators.density import DensityEstimator
from pushforward.estimators.outliers import OutlierDetector

__all__ = ["ConditionalDensityEstimator", "DensityEstimator", "OutlierDetector"]
