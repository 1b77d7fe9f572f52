"""Sampling nearer to the modes: a cooler base, or the region of highest density alone."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.densities.pushforward import Pushforward
from pushforward.transforms.compose import Chain, Frozen
from pushforward.transforms.elementwise import Affine

_LEAST_DRAWS = 1000
"""Draws that the threshold of a region rests on at least: its share is then good to 2 %."""


def tempered(flow: Pushforward, temperature: float) -> Pushforward:
    r"""Return the flow on a base whose latents are T times as wide: x = f(T z).

    A density like any other, with its own log-probabilities; T < 1 gives samples nearer to the
    modes, T = 1 the flow itself. For a volume-preserving flow on a normal base it is
    p(x)^{1/T²}, normalized; for others it is not.

    Parameters
    ----------
    flow : a `Pushforward` on a base over the real space.
    temperature : T > 0.

    Source kingma2018glow
    """
    if not temperature > 0 or flow.density.support != "real":
        raise OptionError(
            f"temperature {temperature} of a base over {flow.density.support!r}",
            "temperature > 0 and a base over the real space",
        )
    wider = Frozen(Affine(jnp.zeros(flow.dim), jnp.full(flow.dim, float(temperature))))
    return Pushforward(Chain([wider, flow.transform]), flow.density)


def sample_highest_density(
    density: Density,
    key: Array,
    n: int,
    share: float,
    context: Float[Array, " c"] | None = None,
) -> Float[Array, "n dim"]:
    """Draw n samples from the region of highest density that holds a share of the mass.

    The region's threshold is the quantile of log p over the draws themselves (at least 1000), of
    which the share that lies above it is kept, in the order drawn.

    Parameters
    ----------
    density : any density whose log_prob exists.
    n : number of samples.
    share : mass of the region, 0 < share ≤ 1.
    context : one context row, if the density has one.

    Cost: n/share samples and log-probabilities. Source hyndman1996regions
    """
    if not 0 < share <= 1:
        raise OptionError(f"share={share}", "0 < share ≤ 1")
    draws = density.sample(key, max(math.ceil(n / share), _LEAST_DRAWS), context)
    log_prob = np.asarray(density.log_prob(draws, context))
    kept = math.ceil(share * len(log_prob))
    threshold = np.partition(log_prob, len(log_prob) - kept)[len(log_prob) - kept]
    return draws[jnp.asarray(np.flatnonzero(log_prob >= threshold)[:n])]
