"""Abstract bases, evidence, parameters, keys, the rows border, safe numerics, errors."""

from typing import TYPE_CHECKING

from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward.core.bases import Density as Density
    from pushforward.core.bases import Transform as Transform
    from pushforward.core.evidence import Estimate as Estimate
    from pushforward.core.evidence import Evidence as Evidence
    from pushforward.core.evidence import weakest as weakest
    from pushforward.core.parameters import Buffer as Buffer
    from pushforward.core.parameters import combine as combine
    from pushforward.core.parameters import count_parameters as count_parameters
    from pushforward.core.parameters import partition as partition

_WHERE = {
    "Buffer": "parameters",
    "Density": "bases",
    "Estimate": "evidence",
    "Evidence": "evidence",
    "Transform": "bases",
    "combine": "parameters",
    "count_parameters": "parameters",
    "partition": "parameters",
    "weakest": "evidence",
}

__all__ = list(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__ = lazily(__name__, _WHERE)
