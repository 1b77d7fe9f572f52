"""Which models a table's size calls for, and how each is built around its columns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density, Transform
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.fitting.moments import gaussian_moments
from pushforward.models.registry import build
from pushforward.transforms.compose import Chain, Frozen, Invert
from pushforward.transforms.linear import Triangular

MIN_FLOW_ROWS = 30
"""Fewer training rows than this leave nothing to choose a flow by: the Gaussian alone."""

_WIDE = 64
"""From this many columns on coupling layers: an autoregressive net's cost grows with each column."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Name a recipe with its options and how it is to be fitted."""

    recipe: str
    options: tuple[tuple[str, object], ...] = ()
    dropout: float = 0.0
    learning_rate: float | None = None
    max_epochs: int | None = None

    @property
    def name(self) -> str:
        coupling = dict(self.options).get("coupling", False)
        return f"{self.recipe}-coupling" if coupling else self.recipe


def candidates(model: str, n: int, dim: int) -> tuple[Candidate, ...]:
    """Return the flows to try on n training rows of dim columns; the Gaussian is always there.

    Nets are sized so that small tables are not learned by heart: width and depth grow with n,
    dropout falls.
    """
    if model == "gaussian" or n < MIN_FLOW_ROWS:
        return ()
    options: dict[str, object] = {"layers": 5, "hidden": (128, 128), "linear": dim > 1}
    if model == "auto":
        model = "nsf"
        options["coupling"] = dim >= _WIDE
    return (
        Candidate(model, tuple(options.items()), dropout=0.1, learning_rate=4e-3),
    )


def gaussian(u: Float[np.ndarray, "n dim"], weights: Float[np.ndarray, " n"]) -> Pushforward:
    """Return the full-covariance Gaussian of rows, with nothing left to learn."""
    return Pushforward(_whitening(u, weights), StandardNormal(u.shape[1]))


def flow(
    candidate: Candidate,
    u: Float[np.ndarray, "n dim"],
    weights: Float[np.ndarray, " n"],
    columns: Transform,
    key: Array,
) -> Density:
    """Build a candidate on top of fitted columns and a fixed whitening of what they give.

    latent → flow → whitening → columns → u. At the start the flow is the identity, so learning
    starts at a Gaussian copula.
    """
    core = build(candidate.recipe, u.shape[1], key=key, **dict(candidate.options))
    if not isinstance(core, Pushforward):
        raise TypeError(f"recipe {candidate.recipe!r} does not build a flow")
    normal = np.asarray(jax.jit(lambda v: columns.inverse(v)[0])(jnp.asarray(u.T, float))).T
    whitening = _whitening(normal.astype(np.float64), weights)
    return Pushforward(Chain([core.transform, whitening, columns]), core.density)


def _whitening(rows: Float[np.ndarray, "n dim"], weights: Float[np.ndarray, " n"]) -> Frozen:
    """Return the fixed map x = μ + A⁻¹ z whose inverse z = A (x − μ) is a matrix product."""
    mean, covariance = gaussian_moments(rows, weights)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return Frozen(Invert(Triangular(-whiten @ mean, whiten)))
