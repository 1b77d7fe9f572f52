"""Iterative Gaussianization: layers found one after the other, without a gradient."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.types import Context, DLogp, Features, Key

MARGINALS = ("adaptive", "kernel", "quantile", "histogram", "mixture", "empirical")
ROTATIONS = ("random", "pca", "ica", "sliced", "dct")
TAILS = ("gaussian", "pareto", "clip")


@dataclasses.dataclass(frozen=True)
class GreedyPlan:
    """Say how layers are to be found.

    Parameters
    ----------
    layers : how many at most.
    rotation : which directions the columns of a layer are: "random" (uniform among rotations),
        "pca", "ica", "sliced" (those farthest from normal by the Wasserstein distance) or "dct"
        (of an image). The first layer takes the columns as they are, the second their principal
        components, and one whose lengths were changed the columns again.
    radial : whether rows' lengths are made normal too, before the directions of a layer.
    directions : how many of "sliced" a layer changes; chosen from rows and columns if None.
    marginal : how one direction is sent to a standard normal (`fitting.fit_marginals`).
    tails : of the given columns: "gaussian" (the spline's line), "pareto" (a heavy tail found
        from the farthest rows) or "clip" (the density ends where the rows do).
    damping : share of the identity in each layer after the second.
    shape : (channels, height, width) of an image, for "dct".
    """

    layers: int = 100
    rotation: str = "random"
    radial: bool = True
    directions: int | None = None
    marginal: str = "adaptive"
    tails: str = "gaussian"
    damping: float = 0.0
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        known = (("rotation", ROTATIONS), ("marginal", MARGINALS), ("tails", TAILS))
        for name, allowed in known:
            if getattr(self, name) not in allowed:
                raise OptionError(f"{name}={getattr(self, name)!r}", f"one of {', '.join(allowed)}")
        if self.layers < 1 or not 0 <= self.damping < 1:
            raise OptionError(
                f"layers={self.layers}, damping={self.damping}", "layers ≥ 1, 0 ≤ damping < 1"
            )
        if self.directions is not None and self.directions < 1:
            raise OptionError(f"directions={self.directions}", "at least 1, or None")
        if self.rotation == "dct" and (self.shape is None or len(self.shape) != 3):
            raise OptionError(f"shape={self.shape} for 'dct'", "(channels, height, width)")


class Gaussianization(Transform):
    r"""Send data to a standard normal by layers of marginal maps and rotations.

    A layer: z_j = Φ⁻¹(F_j(q_jᵀ x)), q_j orthonormal; dlogp = Σ_j log dz_j/d(q_jᵀ x); before it,
    a map of the lengths |x| where that helps. The layers are found by `pf.fit`, each from the
    rows as the layers before it leave them, and are fixed from then on; before, the map is the
    identity.

    Parameters
    ----------
    dim : event size.
    plan : how the layers are to be found.
    layers : those found, or None.

    Cost O(layers · dim · (dim + log knots)) an event.

    Source chen2000gaussianization, laparra2011rbig
    """

    layers: Transform | None
    dim: int = eqx.field(static=True)
    plan: GreedyPlan = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT

    def __init__(self, dim: int, plan: GreedyPlan = GreedyPlan(), layers: Transform | None = None):  # noqa: B008
        if dim < 1:
            raise OptionError(f"dim={dim}", "at least 1")
        self.dim, self.plan, self.layers = dim, plan, layers

    @property
    def support(self) -> str:
        return "bounded" if self.plan.tails == "clip" else "real"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        if self.layers is None:
            return z, jnp.zeros(z.shape[1:], z.dtype)
        return self.layers.forward(z, context, key=key)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        if self.layers is None:
            return x, jnp.zeros(x.shape[1:], x.dtype)
        return self.layers.inverse(x, context, key=key)
