"""A transform on a density is again a density."""

import jax

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.compose import needs_positives


class Pushforward(Density):
    """The law of x = f(z) for z from a density: log p(x) = log p(z) + dlogp.

    Parameters
    ----------
    transform : f, latent to data.
    density : the law of z.

    Source papamakarios2021flows
    """

    transform: Transform
    density: Density

    def __check_init__(self) -> None:
        if self.transform.dim not in (None, self.density.dim):
            raise ShapeError(
                f"a transform of dim {self.transform.dim} on a density of dim {self.density.dim}",
                "equal sizes",
            )
        if self.density.support == "real" and needs_positives(self.transform):
            raise OptionError(
                "a map of positive latents on a density of the whole line",
                "a density on the positives, such as a Gamma or a Uniform",
                "put Exp or Softplus before the map: Chain([Exp(), Power(2.0)])",
            )

    @property
    def dim(self) -> int:
        return self.density.dim

    @property
    def context_dim(self) -> int:
        return self.transform.context_dim or self.density.context_dim

    @property
    def evidence(self) -> Evidence:
        return weakest(self.transform.evidence, self.density.evidence)

    @property
    def support(self) -> str:
        if self.transform.support != "real":
            return self.transform.support
        return "real" if self.density.support == "real" else "bounded"

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        z, dlogp = self.transform.inverse(x, context if self.transform.context_dim else None)
        return self.density._log_prob(z, context if self.density.context_dim else None) + dlogp

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        base_key, key = jax.random.split(key)
        z = self.density._sample(base_key, n, context if self.density.context_dim else None)
        return self.transform.generate(z, context if self.transform.context_dim else None, key=key)
