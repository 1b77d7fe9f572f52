"""A greedy layer on the host, in float64: a basis, and one spline per direction."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri_exp
from scipy.stats import norm

from pushforward.fitting.knots import Knots, evaluate_knots, follow_knots
from pushforward.native.host import Bins
from pushforward.transforms.compose import Chain, Scan
from pushforward.transforms.gaussianization import Gaussianization, GreedyPlan
from pushforward.transforms.marginal import MarginalSpline
from pushforward.transforms.orthogonal import Basis
from pushforward.transforms.shells import RadialSpline
from pushforward.transforms.tails import Tails

UNIT_KNOTS: Knots = (np.array([-1.0, 1.0]), np.array([-1.0, 1.0]), np.ones(2))
"""The identity, by which a direction is left as it is."""

_AT_ONCE = 8
"""Slopes, each within e^±40, that are multiplied before the logarithm is taken."""


@dataclasses.dataclass(frozen=True)
class HostLayer:
    """Hold a layer: lengths first, then z_j = spline_j(q_jᵀ x), then tails of some shape.

    Parameters
    ----------
    basis : q_j in its rows.
    knots : per direction positions, images and slopes, data → latent.
    tails : shapes ξ per direction and side, or none.
    lengths : what stretches rows before, or none.
    """

    basis: Float[np.ndarray, "dim dim"]
    knots: list[Knots]
    tails: Float[np.ndarray, "dim 2"] | None = None
    lengths: "HostLengths | None" = None

    def move(
        self, x: Float[np.ndarray, "dim n"]
    ) -> tuple[Float[np.ndarray, "dim n"], Float[np.ndarray, " n"]]:
        """Return z and the log of the change of volume of each row."""
        total = np.zeros(x.shape[1])
        if self.lengths is not None:
            x, total = self.lengths.move(x)
        z, product = self.basis @ x, np.ones(x.shape[1])
        for count, j in enumerate(self._bent, 1):
            follow_knots(z[j], product, self._bins[j])
            if count % _AT_ONCE == 0 or j == self._bent[-1]:
                total += np.log(product)
                product[:] = 1.0
            if self.tails is not None:
                knots = self.knots[j]
                z[j], log_slope = _tailed(z[j], (knots[1][0], knots[1][-1]), self.tails[j])
                total += log_slope
        return z, total

    @functools.cached_property
    def _bent(self) -> list[int]:
        """The directions that are not left as they are."""
        same = [all(map(np.array_equal, knots, UNIT_KNOTS)) for knots in self.knots]
        return [j for j, unit in enumerate(same) if not unit]

    @functools.cached_property
    def _bins(self) -> dict[int, Bins]:
        return {j: Bins(*self.knots[j]) for j in self._bent}

    def _tails(self) -> Tails:
        return Tails([(z[0], z[-1]) for _, z, _ in self.knots], self.tails)

    def _transform(self, size: int, room: int) -> Chain:
        parts = [MarginalSpline(self.knots, size), Basis(self.basis)]
        if room:
            lengths = UNIT_KNOTS if self.lengths is None else self.lengths.knots
            parts.append(RadialSpline(len(self.basis), lengths, room))
        return Chain(parts)


@dataclasses.dataclass(frozen=True)
class HostLengths:
    """Hold a map of lengths: knots of log|x| → log|z| (see `RadialSpline`)."""

    knots: Knots

    def move(
        self, x: Float[np.ndarray, "dim n"]
    ) -> tuple[Float[np.ndarray, "dim n"], Float[np.ndarray, " n"]]:
        """Return z and the log of the change of volume of each row."""
        outer = np.log(np.maximum(np.sqrt((x * x).sum(0)), np.finfo(float).tiny))
        inner, log_slope = evaluate_knots(outer, *self.knots)
        change = inner - outer
        return x * np.exp(change), len(x) * change + log_slope


def gaussianization(dim: int, plan: GreedyPlan, layers: list[HostLayer]) -> Gaussianization:
    """Return the transform of layers, the one that data meet first given first."""
    size = max((len(x) for layer in layers for x, _, _ in layer.knots), default=2)
    room = max(
        (len(each.lengths.knots[0]) for each in layers if each.lengths is not None), default=0
    )
    parts = [layer._transform(size, room) for layer in layers]
    if not parts:
        return Gaussianization(dim, plan, None)
    if layers[0].tails is None:
        return Gaussianization(dim, plan, Scan(parts[::-1]))
    first = Chain([layers[0]._tails(), parts[0]])
    return Gaussianization(dim, plan, Chain([Scan(parts[:0:-1]), first] if parts[1:] else [first]))


def _tailed(
    x: Float[np.ndarray, " n"], thresholds: tuple[float, float], shapes: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return normal scores of a column with such tails, and log dz/dx (see `Tails`)."""
    z, log_slope = x.copy(), np.zeros_like(x)
    for side, edge, shape in zip((-1.0, 1.0), np.abs(thresholds), shapes, strict=True):
        beyond = side * x > edge
        log_hazard = norm.logpdf(edge) - norm.logsf(edge)
        t = np.exp(log_hazard) * (side * x[beyond] - edge)
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = np.where(1 + shape * t > 0, np.log1p(shape * t), np.nan)
            far = -ndtri_exp(norm.logsf(edge) - (grown / shape if shape else t))
        inside = norm.logsf(far) - norm.logpdf(far) + log_hazard - grown
        z[beyond] = side * np.where(np.isnan(far), edge, far)
        log_slope[beyond] = np.where(np.isnan(inside), -np.inf, inside)
    return z, log_slope
