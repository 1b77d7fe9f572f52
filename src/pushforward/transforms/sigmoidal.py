"""Mixtures of sigmoids, seen through the logit: increasing maps of the line onto itself.

For weights π on the simplex and increasing functions u_k(x) from R onto R,

z(x) = logit F(x),   F = Σ_k π_k σ(u_k(x)),

z = log F − log(1 − F) and dz/dx = Σ_k (a_k σ(−u_k) + b_k σ(u_k)) u_k′, where a_k and b_k are the
shares of term k in F and in 1 − F = Σ_k π_k σ(−u_k). Taken as logarithms of sums, all of these
are accurate where F is 0 or 1 to the last digit, and the slope is a sum of positive terms.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pushforward.core.bases import Transform
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import bounded, bounded_log
from pushforward.core.roots import solve_increasing
from pushforward.core.types import Context, DLogp, Features, Key

LEAK = 1e-3
"""Share of x itself in each layer's z. Between two narrow terms far apart F stands still to the
last digit; the leak keeps the slope above 1e-3, so that the inverse exists in float32 too."""

FAR = 100.0
"""Beyond |x| = 100 the curve goes on linearly. It is nearly linear there anyway; at arguments of
1e10 a rounding is a factor e^1000 between two terms of a sum."""

MAX_SHIFT = 100.0
"""Largest |mean| or shift, for the same reason."""

MAX_LOGIT = 30.0
"""Largest |logit| of a weight: e^−60 of another, which no sum in float32 notices."""


class MixtureCDF(Transform):
    r"""Map each feature through a logistic mixture's distribution function and the logit.

    y = (1−ε) logit Σ_k π_k σ((x − μ_k)/s_k) + ε x,   z = (y − loc)/σ,   dlogp = Σ log dz/dx.

    `inverse` (data → latent) evaluates this; `forward` solves for x. Scales are within e^±3.
    Far out one term of the mixture decides: the tails are linear, exactly so beyond ±100.

    Parameters
    ----------
    components : number of logistic distributions.

    The leaves are `(components, …)`, and loc and the raw log of σ. Zeros give the identity; the
    means start apart, since equal components would stay equal.

    Cost O(components) for the inverse and some ten times that for `forward`. Source ho2019flowpp
    """

    logits: Float[Array, "components ..."]
    means: Float[Array, "components ..."]
    raw_log_scales: Float[Array, "components ..."]
    loc: Float[Array, "..."]
    raw_log_scale: Float[Array, "..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, components: int = 8):
        _check(components, 1, "components")
        self.logits, self.raw_log_scales = jnp.zeros(components), jnp.zeros(components)
        self.means = jnp.linspace(-1.0, 1.0, components)
        self.loc, self.raw_log_scale = jnp.zeros(()), jnp.zeros(())

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        log_scale = bounded_log(align(self.raw_log_scale, z.ndim))
        y = align(self.loc, z.ndim) + jnp.exp(log_scale) * z
        x = solve_increasing(lambda t: self._mixed(t)[0], y)
        return x, (jnp.log(self._mixed(x)[1]) - log_scale).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        log_scale = bounded_log(align(self.raw_log_scale, x.ndim))
        y, slope = self._mixed(x)
        z = (y - align(self.loc, x.ndim)) * jnp.exp(-log_scale)
        return z, (jnp.log(slope) - log_scale).sum(0)

    def _mixed(self, x: Array) -> tuple[Array, Array]:
        """Return y and dy/dx."""
        ndim = x.ndim + 1
        rate = jnp.exp(-bounded_log(align(self.raw_log_scales, ndim)))
        v = jnp.clip(x, -FAR, FAR)
        u = (v - bounded(align(self.means, ndim), MAX_SHIFT)) * rate
        value, slope = _logit_of_mixture(align(self.logits, ndim), u, rate)
        value, slope = (1 - LEAK) * value + LEAK * v, (1 - LEAK) * slope + LEAK
        return value + slope * (x - v), slope


class DeepSigmoidal(Transform):
    r"""Map each feature through layers of sigmoidal units (deep sigmoidal flow).

    h ← (1−ε) logit Σ_k π_k σ(a_k h + b_k) + ε h, from h = x to h = z;   dlogp = Σ log dz/dx.

    `inverse` (data → latent) evaluates this; `forward` solves for x. Rates a are within e^±3.

    Parameters
    ----------
    units, layers : number of sigmoids a layer, and of layers.

    The leaves are `(layers, units, …)`. Zeros give the identity; the b start apart, since equal
    units would stay equal.

    Cost O(layers · units) for the inverse and some ten times that for `forward`.
    Source huang2018naf
    """

    logits: Float[Array, "layers units ..."]
    raw_log_rates: Float[Array, "layers units ..."]
    shifts: Float[Array, "layers units ..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, units: int = 8, layers: int = 2):
        _check(units, 1, "units")
        _check(layers, 1, "layers")
        self.logits = jnp.zeros((layers, units))
        self.raw_log_rates = jnp.zeros((layers, units))
        self.shifts = jnp.tile(jnp.linspace(-1.0, 1.0, units), (layers, 1))

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = solve_increasing(lambda t: self._through(t)[0], z)
        return x, jnp.log(self._through(x)[1]).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, slope = self._through(x)
        return z, jnp.log(slope).sum(0)

    def _through(self, x: Array) -> tuple[Array, Array]:
        """Return z and dz/dx."""
        ndim = x.ndim + 2
        logits, shifts = align(self.logits, ndim), bounded(align(self.shifts, ndim), MAX_SHIFT)
        rates = jnp.exp(bounded_log(align(self.raw_log_rates, ndim)))
        v = jnp.clip(x, -FAR, FAR)
        h, slope = v, jnp.ones_like(x)
        for logit, rate, shift in zip(logits, rates, shifts, strict=True):
            value, gain = _logit_of_mixture(logit, rate * h + shift, rate * slope)
            h, slope = (1 - LEAK) * value + LEAK * h, (1 - LEAK) * gain + LEAK * slope
        return h + slope * (x - v), slope


class DeepDenseSigmoidal(Transform):
    r"""Map each feature through layers of units that all see each other (dense sigmoidal flow).

    v_k = a_k Σ_j U_kj h_j + b_k,   h_i ← (1−ε) logit Σ_k W_ik σ(v_k) + ε Σ_j U_ij h_j,

    from h = x to z = Σ_j π_j h_j; the rows of U and W and π lie on the simplex. Slopes are
    carried along: sums of positive terms throughout.

    `inverse` (data → latent) evaluates this; `forward` solves for x. Rates a are within e^±3.

    Parameters
    ----------
    units, layers : number of units a layer, and of layers; at least two of each.

    The leaves are `(layers, units, …)` and `(layers, units, units, …)`; the first layer has no U.
    Zeros give the identity; the b and W start unequal, since equal units would stay equal.

    Cost O(layers · units²) for the inverse and some ten times that for `forward`.
    Source huang2018naf
    """

    mixes: Float[Array, "layers units units ..."]
    joins: Float[Array, "inner units units ..."]
    raw_log_rates: Float[Array, "layers units ..."]
    shifts: Float[Array, "layers units ..."]
    ends: Float[Array, "units ..."]
    dim: ClassVar[int | None] = None
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"

    def __init__(self, units: int = 4, layers: int = 2):
        _check(units, 2, "units")
        _check(layers, 2, "layers")
        self.mixes = jnp.tile(2 * jnp.eye(units), (layers, 1, 1))
        self.joins = jnp.zeros((layers - 1, units, units))
        self.raw_log_rates = jnp.zeros((layers, units))
        self.shifts = jnp.tile(jnp.linspace(-1.0, 1.0, units), (layers, 1))
        self.ends = jnp.zeros(units)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x = solve_increasing(lambda t: self._through(t)[0], z)
        return x, jnp.log(self._through(x)[1]).sum(0)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, slope = self._through(x)
        return z, jnp.log(slope).sum(0)

    def _through(self, x: Array) -> tuple[Array, Array]:
        """Return z and dz/dx."""
        ndim = x.ndim + 2
        mixes, joins = align(self.mixes, ndim + 1), align(self.joins, ndim + 1)
        rates = jnp.exp(bounded_log(align(self.raw_log_rates, ndim)))
        shifts = bounded(align(self.shifts, ndim), MAX_SHIFT)
        units = self.ends.shape[0]
        v = jnp.clip(x, -FAR, FAR)
        h = jnp.broadcast_to(v, (units, *x.shape))
        slope = jnp.ones_like(h)
        for layer, (mix, rate, shift) in enumerate(zip(mixes, rates, shifts, strict=True)):
            if layer:
                share = jax.nn.softmax(bounded(joins[layer - 1], MAX_LOGIT), 1)
                h, slope = (share * h).sum(1), (share * slope).sum(1)
            # Axis 0 of `mix` is the unit that is made, axis 1 the sigmoids it is made of.
            value, gain = _logit_of_mixture(
                jnp.swapaxes(mix, 0, 1), (rate * h + shift)[:, None], (rate * slope)[:, None]
            )
            h, slope = (1 - LEAK) * value + LEAK * h, (1 - LEAK) * gain + LEAK * slope
        share = jax.nn.softmax(bounded(align(self.ends, x.ndim + 1), MAX_LOGIT), 0)
        slope = (share * slope).sum(0)
        return (share * h).sum(0) + slope * (x - v), slope


def _logit_of_mixture(logits: Array, u: Array, slope: Array) -> tuple[Array, Array]:
    """Return logit Σ_k π_k σ(u_k) over axis 0 and its slope, where u_k has the slope given."""
    log_weights = jax.nn.log_softmax(bounded(logits, MAX_LOGIT), 0)
    lower = log_weights - jax.nn.softplus(-u)
    upper = log_weights - jax.nn.softplus(u)
    # Shares by softmax, which adds to one however the logarithms of the sums are rounded.
    gain = jax.nn.softmax(lower, 0) * jax.nn.sigmoid(-u)
    gain = gain + jax.nn.softmax(upper, 0) * jax.nn.sigmoid(u)
    return jax.nn.logsumexp(lower, 0) - jax.nn.logsumexp(upper, 0), (gain * slope).sum(0)


def _check(count: int, least: int, name: str) -> None:
    if count < least:
        raise OptionError(f"{name}={count}", f"at least {least}")
