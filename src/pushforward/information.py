"""Information measures of columns, groups of columns and pairs of tables."""

from pushforward.judge.information import (
    InformationResult,
    dual_total_correlation,
    entropy,
    js_divergence,
    kl_divergence,
    mutual_information,
    negentropy,
    o_information,
    total_correlation,
)

__all__ = [
    "InformationResult",
    "dual_total_correlation",
    "entropy",
    "js_divergence",
    "kl_divergence",
    "mutual_information",
    "negentropy",
    "o_information",
    "total_correlation",
]
