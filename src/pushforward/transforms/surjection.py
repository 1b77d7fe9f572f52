"""Layers that are deterministic in one direction only.

Where data → latent is deterministic (slice, max, sort, random signs), dlogp is the log of the
probability of what generating draws, and the evidence is exact. Where latent → data is
(augmentation), dlogp is −log q of what inference draws, and log p + dlogp is a bound.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from pushforward.core.bases import Density, Surjection
from pushforward.core.border import align
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.keys import require_key
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk


class Slice(Surjection):
    r"""Let features leave on the way to the latent, and draw them when generating.

    z = x_a (the first features),   dlogp = log p(x_b | x_a, c).   Exact.

    Parameters
    ----------
    n_kept : size of x_a.
    conditional : density of x_b; its context is x_a, or x_a and then c, or nothing.

    Cost: that of the conditional. Source nielsen2020survae, dinh2017realnvp
    """

    conditional: Density
    latent_dim: int = eqx.field(static=True)
    latent_support: ClassVar[str] = "real"

    def __init__(self, n_kept: int, conditional: Density):
        _check_conditional(conditional, n_kept)
        self.conditional, self.latent_dim = conditional, n_kept

    @property
    def dim(self) -> int:
        return self.latent_dim + self.conditional.dim

    @property
    def context_dim(self) -> int:
        return max(self.conditional.context_dim - self.latent_dim, 0)

    @property
    def evidence(self) -> Evidence:
        return self.conditional.evidence

    @property
    def support(self) -> str:
        return "real" if self.conditional.support == "real" else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        given = _given(self.conditional, z, context)
        rest = _drawn(self.conditional, require_key(key, self), z, given)
        return jnp.concatenate([z, rest]), self.conditional._log_prob(rest, given)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, rest = x[: self.latent_dim], x[self.latent_dim :]
        return z, self.conditional._log_prob(rest, _given(self.conditional, z, context))


class Augment(Surjection):
    r"""Draw further features on the way to the latent, and drop them when generating.

    z = (x, u), u ~ q(u | x, c),   dlogp = −log q(u | x, c).   E[log p(z) + dlogp] ≤ log p(x).

    Equal where q is the model's own law of u given x; never exact by construction, so that the
    evidence is a bound.

    Parameters
    ----------
    dim : size of x.
    conditional : q; its context is x, or x and then c, or nothing.

    Cost: that of the conditional. Source huang2020augmented, nielsen2020survae
    """

    conditional: Density
    dim: int = eqx.field(static=True)
    latent_support: ClassVar[str] = "real"
    support: ClassVar[str] = "real"

    def __init__(self, dim: int, conditional: Density):
        _check_conditional(conditional, dim)
        if conditional.support != "real":
            # Elsewhere q is zero where the latent's law is not: log p(x) would lose that part.
            raise OptionError(f"q with support {conditional.support!r}", "support 'real'")
        self.conditional, self.dim = conditional, dim

    @property
    def latent_dim(self) -> int:
        return self.dim + self.conditional.dim

    @property
    def context_dim(self) -> int:
        return max(self.conditional.context_dim - self.dim, 0)

    @property
    def evidence(self) -> Evidence:
        return weakest(Evidence.BOUND, self.conditional.evidence)

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x, extra = z[: self.dim], z[self.dim :]
        return x, -self.conditional._log_prob(extra, _given(self.conditional, x, context))

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        given = _given(self.conditional, x, context)
        extra = _drawn(self.conditional, require_key(key, self), x, given)
        return jnp.concatenate([x, extra]), -self.conditional._log_prob(extra, given)

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        return z[: self.dim]


class Max(Surjection):
    r"""Keep the largest feature on the way to the latent; draw the others below it.

    z = max_j x_j,   dlogp = −log dim + log p(z − x_others | z, c).   Exact.

    Which feature is the largest is drawn with equal chances.

    Parameters
    ----------
    below : density of the dim − 1 distances z − x_j ≥ 0, in the order of the features; its
        support is "nonnegative" and its context z, or z and then c, or nothing.

    Cost: that of the density. Source nielsen2020survae
    """

    below: Density
    latent_dim: ClassVar[int] = 1
    latent_support: ClassVar[str] = "real"
    support: ClassVar[str] = "real"

    def __check_init__(self) -> None:
        _check_conditional(self.below, 1)
        if self.below.support != "nonnegative":
            raise OptionError(
                f"distances with support {self.below.support!r}", "support 'nonnegative'"
            )

    @property
    def dim(self) -> int:
        return 1 + self.below.dim

    @property
    def context_dim(self) -> int:
        return max(self.below.context_dim - 1, 0)

    @property
    def evidence(self) -> Evidence:
        return self.below.evidence

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        place_key, key = jax.random.split(require_key(key, self))
        given = _given(self.below, z, context)
        distances = _drawn(self.below, key, z, given)
        place = jax.random.randint(place_key, z.shape[1:], 0, self.dim)
        index = align(jnp.arange(self.dim), z.ndim)
        # The distances of the features after the largest stand one place further on.
        before = jnp.concatenate([distances, jnp.zeros_like(z)])
        after = jnp.concatenate([jnp.zeros_like(z), distances])
        chosen = jnp.where(index < place, before, jnp.where(index > place, after, 0.0))
        return z - chosen, self._dlogp(distances, given)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, place = x.max(0, keepdims=True), x.argmax(0)
        index = align(jnp.arange(self.dim - 1), x.ndim)
        others = jnp.where(index < place, x[:-1], x[1:])
        return z, self._dlogp(z - others, _given(self.below, z, context))

    def _dlogp(self, distances: Features, given: Context) -> DLogp:
        return self.below._log_prob(distances, given) - math.log(self.dim)


class Sort(Surjection):
    """Sort on the way to the latent; shuffle when generating: dlogp = −log dim!.   Exact.

    All orders have equal chances, so that the model's density does not depend on the order. The
    latent's density must live on ascending vectors, such as
    `PreimageSum(Sorted(dim), density)`.

    Parameters
    ----------
    dim : event size.

    Source nielsen2020survae
    """

    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"
    latent_support: ClassVar[str] = "ordered"

    @property
    def latent_dim(self) -> int:
        return self.dim

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        order = jnp.argsort(jax.random.uniform(require_key(key, self), z.shape), 0)
        return jnp.take_along_axis(z, order, 0), self._dlogp(z)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return jnp.sort(x, 0), self._dlogp(x)

    def _dlogp(self, event: Features) -> DLogp:
        return jnp.full(event.shape[1:], -math.lgamma(self.dim + 1), event.dtype)


class RandomSigns(Surjection):
    r"""Take sizes on the way to the latent; draw signs when generating.

    z_j = |x_j|,   dlogp = Σ_j log σ(s_j ℓ_j),   s_j = sign x_j,   ℓ_j = tanh(z_j) net_j(z, c).

    A latent thus has 2^dim images, one in each part of space, and the net shares its mass out
    among them (real and discrete). At x_j = 0 both signs are equally likely, so that a density
    is continuous there. The latent's density must live on z ≥ 0. The net's heads start at zero:
    fair coins.

    Parameters
    ----------
    dim, context_dim : event and context size.
    hidden, activation, residual : the net's widths, activation name and skip connections.

    Cost: one network call. Source dinh2019rad, nielsen2020survae
    """

    trunk: Trunk
    heads: Array
    bias: Array
    dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    evidence: ClassVar[Evidence] = Evidence.EXACT
    support: ClassVar[str] = "real"
    latent_support: ClassVar[str] = "nonnegative"

    def __init__(
        self,
        dim: int,
        *,
        key: Array,
        context_dim: int = 0,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "relu",
        residual: bool = False,
    ):
        self.trunk = Trunk(
            dim,
            hidden,
            key=key,
            context_dim=context_dim,
            activation=activation,
            residual=residual,
        )
        self.heads, self.bias = jnp.zeros((dim, hidden[-1])), jnp.zeros(dim)
        self.dim, self.context_dim = dim, context_dim

    @property
    def latent_dim(self) -> int:
        return self.dim

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        logit = self._logit(z, context)
        up = jax.random.uniform(require_key(key, self), z.shape) < jax.nn.sigmoid(logit)
        return jnp.where(up, z, -z), _log_share(up, logit)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z = jnp.abs(x)
        return z, _log_share(x >= 0, self._logit(z, context))

    def _logit(self, z: Features, context: Context) -> Features:
        """Return log-odds of a positive sign."""
        net = jnp.tensordot(self.heads, self.trunk(z, context), 1) + align(self.bias, z.ndim)
        return jnp.tanh(z) * net


def _log_share(up: Array, logit: Features) -> DLogp:
    return jax.nn.log_sigmoid(jnp.where(up, logit, -logit)).sum(0)


def _check_conditional(conditional: Density, given: int) -> None:
    size = conditional.context_dim
    if given < 1 or (size and size < given) or conditional.evidence > Evidence.NUMERICAL:
        raise ShapeError(
            f"a conditional with context_dim={size} and evidence '{conditional.evidence}'"
            f" on {given} features",
            f"context_dim 0 or at least {given}, and a likelihood",
        )


def _given(conditional: Density, features: Features, context: Context) -> Context:
    """Return the conditional's context: these features, then the model's own context."""
    if not conditional.context_dim:
        return None
    if context is None:
        return features
    context = jnp.broadcast_to(
        align(context, features.ndim), (context.shape[0], *features.shape[1:])
    )
    return jnp.concatenate([features, context])


def _drawn(conditional: Density, key: Array, features: Features, given: Context) -> Features:
    """Draw one event per event of `features`."""
    shape = features.shape[1:]
    flat = None if given is None else given.reshape(given.shape[0], -1)
    drawn = conditional._sample(key, math.prod(shape), flat)
    return drawn.reshape(conditional.dim, *shape)
