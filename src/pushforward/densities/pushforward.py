"""A transform on a density is again a density."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Shaped

from pushforward.core.bases import Density, Surjection, Transform
from pushforward.core.border import rows_in
from pushforward.core.errors import EvidenceError, OptionError, ShapeError
from pushforward.core.evidence import Estimate, Evidence, require_likelihood, weakest
from pushforward.core.types import Context, DLogp, Features, Key


class Pushforward(Density):
    """The law of x = f(z) for z from a density: log p(x) = log p(z) + dlogp.

    Where f is not one-to-one, dlogp is the layer's own term and the sum is exact or a bound, as
    `evidence` says; a bound answers `elbo` and `iwae` in place of `log_prob`.

    Parameters
    ----------
    transform : f, latent to data.
    density : the law of z.

    Source papamakarios2021flows, nielsen2020survae
    """

    transform: Transform
    density: Density

    def __check_init__(self) -> None:
        transform, density = self.transform, self.density
        changes = isinstance(transform, Surjection)
        if (transform.latent_dim if changes else transform.dim) not in (None, density.dim):
            raise ShapeError(
                f"a transform of dim {transform.latent_dim if changes else transform.dim}"
                f" on a density of dim {density.dim}",
                "equal sizes",
            )
        if changes and transform.latent_support not in ("real", density.support):
            raise OptionError(
                f"a {type(transform).__name__} on a density whose support is {density.support!r}",
                f"a density whose support is {transform.latent_support!r}",
                "any other would have the wrong mass",
            )

    @property
    def dim(self) -> int:
        return self.density.dim if self.transform.dim is None else self.transform.dim

    @property
    def context_dim(self) -> int:
        return self.transform.context_dim or self.density.context_dim

    @property
    def evidence(self) -> Evidence:
        return weakest(self.transform.evidence, self.density.evidence)

    @property
    def support(self) -> str:
        transform = self.transform
        if transform.support != "real":
            return transform.support
        whole = transform.latent_support if isinstance(transform, Surjection) else "real"
        return "real" if self.density.support == whole else "bounded"

    def elbo(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
        *,
        key: Array,
        n: int = 16,
    ) -> Estimate:
        """Return a lower bound of log p(x | context), nats: the mean of n draws of log p + dlogp.

        The standard error is that of the n draws, n ≥ 2. For exact layers every draw is log p.

        Source nielsen2020survae
        """
        drawn = self._draws(x, context, key, n)
        value = drawn.mean(0)
        spread = jnp.where(jnp.isfinite(value), drawn, 0.0).std(0, ddof=1)
        return Estimate(value, spread / n**0.5, "lower")

    def iwae(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
        *,
        key: Array,
        n: int = 16,
    ) -> Estimate:
        """Return a tighter lower bound, nats: the log of the mean of n draws of exp(log p + dlogp).

        The standard error is that of the mean, to first order. Source burda2016iwae
        """
        drawn = self._draws(x, context, key, n)
        value = jax.nn.logsumexp(drawn, 0) - jnp.log(n)
        spread = jnp.exp(drawn - jnp.where(jnp.isfinite(value), value, 0.0)).std(0, ddof=1)
        return Estimate(value, spread / n**0.5, "lower")

    def _draws(self, x: ArrayLike, context: ArrayLike | None, key: Array, n: int) -> Array:
        if n < 2:
            raise OptionError(f"n={n} draws", "n ≥ 2, for the standard error")
        turned, turned_context, batch = rows_in(x, self.dim, context, self.context_dim)
        drawn = jax.vmap(lambda k: bound_draw(self, turned, turned_context, k))
        return drawn(jax.random.split(key, n)).reshape(n, *batch)

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        z, dlogp = self.transform.inverse(x, context if self.transform.context_dim else None)
        return self.density._log_prob(z, context if self.density.context_dim else None) + dlogp

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        base_key, key = jax.random.split(key)
        z = self.density._sample(base_key, n, context if self.density.context_dim else None)
        return self.transform.generate(z, context if self.transform.context_dim else None, key=key)


def bound_draw(density: Density, x: Features, context: Context, key: Array) -> DLogp:
    """Return log p + dlogp for one draw of what the layers leave open, features first.

    Its mean is at most log p(x), and equal to it where all layers are exact.

    Raises
    ------
    EvidenceError : a layer gives neither a likelihood nor a bound.
    """
    if not isinstance(density, Pushforward):
        require_likelihood(density.evidence)
        return density._log_prob(x, context)
    transform, base = density.transform, density.density
    if transform.evidence > Evidence.BOUND:
        raise EvidenceError(
            f"a bound of a model whose numbers are '{density.evidence}'",
            "evidence 'exact', 'numerical' or 'bound'",
        )
    here, below = jax.random.split(key)
    z, dlogp = transform.inverse(x, context if transform.context_dim else None, key=here)
    return bound_draw(base, z, context if base.context_dim else None, below) + dlogp
