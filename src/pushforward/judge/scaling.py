"""Training rows as models meet them: on a common scale, recorded values spread over their cells."""

import numpy as np
from jaxtyping import Float

from pushforward.tables.columns import inside_edges
from pushforward.tables.schema import Schema

Rows = Float[np.ndarray, "n columns"]


def scaled_by_moments(train: Rows, schema: Schema) -> Schema:
    """Return the schema with columns centred and scaled by mean and sd, for linear models.

    Bounded columns stay: next to a bound, only a scale that is centred there tells values apart.
    """
    u, free = schema.standardize(train), ~np.isfinite(schema.edges()).any(1)
    there = ~np.isnan(u)
    n, filled = np.maximum(there.sum(0), 1), np.where(there, u, 0.0)
    mean = filled.sum(0) / n
    sd = np.sqrt((np.where(there, u - mean, 0.0) ** 2).sum(0) / n)
    return schema.rescaled(np.where(free, mean, 0.0), np.where(free, sd, 1.0))


def spread(u: np.ndarray, schema: Schema, rng: np.random.Generator) -> np.ndarray:
    """Return standardized rows with recorded values spread over their cells, within bounds."""
    cells = schema.cells()
    if not cells.any():
        return u
    return np.clip(u + cells * rng.uniform(-0.5, 0.5, u.shape), *inside_edges(schema))
