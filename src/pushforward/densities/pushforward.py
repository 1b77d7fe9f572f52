"""A transform on a density is again a density."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree, Shaped

from pushforward.core.bases import Density, Surjection, Transform
from pushforward.core.blocks import in_blocks
from pushforward.core.border import rows_in
from pushforward.core.errors import EvidenceError, OptionError, ShapeError
from pushforward.core.evidence import Estimate, Evidence, require_likelihood, weakest
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk
from pushforward.transforms.compose import needs_positives


class Pushforward(Density):
    """The law of x = f(z) for z from a density: log p(x) = log p(z) + dlogp.

    Where f is not one-to-one, dlogp is the layer's own term and the sum is exact or a bound, as
    `evidence` says. `log_prob` answers where every part is exact or numerical; `elbo` and `iwae`
    where a part is a bound, `estimate_log_prob` where one estimates its determinant.

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
        if self.density.support == "real" and needs_positives(self.transform):
            raise OptionError(
                "a map of positive latents on a density of the whole line",
                "a density on the positives, such as a Gamma or a Uniform",
                "put Exp or Softplus before the map: Chain([Exp(), Power(2.0)])",
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

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        if _is_thinned(self.transform):  # gates of all rows at once
            return self._log_prob_of_block(x, context)
        return in_blocks(self._log_prob_of_block, x, context)

    def _log_prob_of_block(self, x: Features, context: Context) -> DLogp:
        z, dlogp = self.transform.inverse(x, context if self.transform.context_dim else None)
        return self.density._log_prob(z, context if self.density.context_dim else None) + dlogp

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        base_key, key = jax.random.split(key)
        z = self.density._sample(base_key, n, context if self.density.context_dim else None)
        given = context if self.transform.context_dim else None
        drawing = isinstance(self.transform, Surjection)
        if drawing or self.transform.evidence > Evidence.NUMERICAL:
            return self.transform.generate(z, given, key=key)
        return in_blocks(self.transform.generate, z, given)

    def estimate_log_prob(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
        *,
        key: Array,
        n: int = 16,
    ) -> Estimate:
        """Return the mean of n independent estimates of log p(x | context), nats, per row.

        Unbiased; where another part is a bound, what is estimated is that bound ("lower").
        With n = 1 the standard error is infinite: one draw cannot tell it.

        Raises
        ------
        EvidenceError : the model's evidence is not 'estimate'.
        """
        self._require("estimate_log_prob", self.evidence == Evidence.ESTIMATE, "'estimate'")
        kind = "lower" if _holds_bound(self) else "unbiased"
        return _mean(self._draws(x, context, key, n), kind)

    def elbo(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
        *,
        key: Array,
        n: int = 16,
    ) -> Estimate:
        """Return the mean of n draws of a lower bound, E[log p(z) + dlogp] ≤ log p(x | context).

        Raises
        ------
        EvidenceError : the model's evidence is weaker than a bound.
        """
        self._require("elbo", self.evidence <= Evidence.BOUND, "'bound' or better")
        return _mean(self._draws(x, context, key, n), "lower")

    def iwae(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None = None,
        *,
        key: Array,
        n: int = 64,
    ) -> Estimate:
        """Return a tighter lower bound, log of the mean of n draws of exp(log p(z) + dlogp).

        In expectation between `elbo` and log p(x | context), which it reaches as n grows.
        Source burda2016iwae

        Raises
        ------
        EvidenceError : the model's evidence is weaker than a bound.
        """
        self._require("iwae", self.evidence <= Evidence.BOUND, "'bound' or better")
        draws = self._draws(x, context, key, n)
        top = jnp.max(draws, 0)
        top = jnp.where(jnp.isfinite(top), top, 0.0)
        mean = _mean(jnp.exp(draws - top), "lower")
        # The error of a logarithm, to first order.
        relative = mean.std_error / jnp.where(mean.value > 0, mean.value, 1.0)
        return Estimate(top + jnp.log(mean.value), relative, "lower")

    def _require(self, method: str, granted: bool, expected: str) -> None:
        if not granted:
            raise EvidenceError(
                f"{method} of a model whose numbers are '{self.evidence}'",
                f"evidence {expected}",
                "ask for log_prob, elbo or estimate_log_prob instead",
            )

    def _draws(
        self,
        x: Shaped[ArrayLike, "*batch dim"],
        context: Shaped[ArrayLike, "*batch_c c"] | None,
        key: Array,
        n: int,
    ) -> Float[Array, "n *batch"]:
        """Return n draws of log p(z) + dlogp per row."""
        if n < 1:
            raise OptionError(f"n={n} draws", "at least one")
        given = None if context is None else jnp.asarray(context)
        return _draws_of_rows(self, jnp.asarray(x), given, key, n)


@partial(jax.jit, static_argnames="n")
def _draws_of_rows(
    density: Density, x: Array, context: Array | None, key: Array, n: int
) -> Float[Array, "n *batch"]:
    turned, turned_context, batch = rows_in(x, density.dim, context, density.context_dim)
    infinite = jnp.isinf(turned)
    turned = jnp.where(infinite, 0.0, turned)

    def draw(draw_key: Array) -> DLogp:
        return _draw(density, turned, turned_context, draw_key)

    drawn = jax.lax.map(draw, jax.random.split(key, n))
    drawn = jnp.where(infinite.any(0) & ~jnp.isnan(drawn), -jnp.inf, drawn)
    return drawn.reshape(n, *batch)


def _draw(density: Density, x: Features, context: Context, key: Array) -> DLogp:
    """Return log p + dlogp for one draw of what the layers leave open, features first."""
    if not isinstance(density, Pushforward):
        require_likelihood(density.evidence)
        return density._log_prob(x, context)
    transform, base = density.transform, density.density
    here, below = jax.random.split(key)
    z, dlogp = transform.inverse(x, context if transform.context_dim else None, key=here)
    return _draw(base, z, context if base.context_dim else None, below) + dlogp


def _mean(draws: Float[Array, "n *batch"], kind: Literal["unbiased", "lower"]) -> Estimate:
    """Return the mean over draws, with its standard error."""
    n = draws.shape[0]
    mean = draws.mean(0)
    if n == 1:
        return Estimate(mean, jnp.full_like(mean, jnp.inf), kind)
    # Draws that are all impossible agree.
    apart = jnp.where(jnp.isfinite(mean), draws - jnp.where(jnp.isfinite(mean), mean, 0.0), 0.0)
    return Estimate(mean, jnp.sqrt(jnp.square(apart).sum(0) / (n - 1) / n), kind)


def _is_thinned(tree: PyTree) -> bool:
    """Tell whether a net's units are silenced row by row."""
    nodes = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Trunk))
    return any(isinstance(node, Trunk) and node.gates is not None for node in nodes)


def _holds_bound(tree: PyTree) -> bool:
    """Tell whether any part's numbers are a bound, below parts whose own are weaker."""

    def bound(node: object) -> bool:
        return isinstance(node, Transform) and node.evidence == Evidence.BOUND

    return any(bound(node) for node in jax.tree.leaves(tree, is_leaf=bound))
