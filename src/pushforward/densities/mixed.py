"""Codes and values in one row: a law of the codes, and of the values given the codes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.densities.autoregressive import CategoricalAutoregressive
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.transforms.absent import with_absent


class Mixed(Density):
    r"""The law of rows that hold codes first, then values.

    log p(x) = log p(codes | c) + log p(values that are there | flags of the codes, c)

    against counting measure for the codes times Lebesgue measure for the values that are there.
    A code can say that a value is there (0) or not (any other): what stands in an absent value's
    place is ignored, and samples have a zero there.

    Parameters
    ----------
    codes : law of the codes.
    values : law of the values, with context_dim = codes.n_flags + codes.context_dim; none where
        rows hold codes only. Where values can be absent, a flow built with `partial=True`.
    presence : per value the place of the code that says whether it is there, or −1: always.

    Cost: the sum of the two. Source papamakarios2021flows
    """

    codes: CategoricalAutoregressive
    values: Density | None
    presence: tuple[int, ...] = eqx.field(static=True)

    def __check_init__(self) -> None:
        n_values = 0 if self.values is None else self.values.dim
        if n_values != len(self.presence) or max(self.presence, default=-1) >= self.codes.dim:
            raise ShapeError(
                f"{n_values} values with presence {self.presence}",
                f"for each value one of the {self.codes.dim} codes, or −1",
            )
        wanted = self.codes.n_flags + self.codes.context_dim
        if self.values is not None and self.values.context_dim != wanted:
            raise ShapeError(
                f"values with context_dim {self.values.context_dim}",
                f"{wanted}: {self.codes.n_flags} flags and {self.codes.context_dim} of the context",
            )
        if max(self.presence, default=-1) >= 0 and not _is_partial(self.values):
            raise OptionError(
                "values that may be absent with a law that needs them all",
                "a flow built with partial=True",
            )

    @property
    def dim(self) -> int:
        return self.codes.dim + len(self.presence)

    @property
    def context_dim(self) -> int:
        return self.codes.context_dim

    @property
    def evidence(self) -> Evidence:
        return weakest(self.codes.evidence, *([self.values.evidence] if self.values else []))

    @property
    def support(self) -> str:
        return "mixed"

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        codes, values = x[: self.codes.dim], x[self.codes.dim :]
        log_p = self.codes._log_prob(codes, context)
        if self.values is None:
            return log_p
        # Impossible codes have mass zero whatever the values: any finite context will do.
        safe = jnp.where(jnp.isfinite(log_p), codes, 0.0)
        absent = self._absent(safe)
        unknown = jnp.isnan(values) if absent is None else jnp.isnan(values) & ~absent
        marked = values if absent is None else with_absent(values, absent)
        more = self.values._log_prob(marked, self._given(safe, context))
        log_p = jnp.where(log_p == -jnp.inf, log_p, log_p + more)
        return jnp.where(unknown.any(0), jnp.nan, log_p)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        code_key, value_key = jax.random.split(key)
        codes = self.codes._sample(code_key, n, context)
        if self.values is None:
            return codes
        given, absent = self._given(codes, context), self._absent(codes)
        if absent is None:
            values = self.values._sample(value_key, n, given)
        else:
            flow = self.values
            z = flow.density._sample(value_key, n, None)  # type: ignore[attr-defined]
            # Layers change the features' order: where latents are absent, the inverse tells.
            marks, _ = flow.transform.inverse(with_absent(jnp.zeros_like(z), absent), given)  # type: ignore[attr-defined]
            x = flow.transform.generate(with_absent(z, jnp.isnan(marks)), given)  # type: ignore[attr-defined]
            values = jnp.where(absent, 0.0, x)
        return jnp.concatenate([codes, values])

    def latents(self, x: Features, context: Context = None) -> Features:
        """Return the latents of rows' values, features first; NaN for absent ones.

        Raises
        ------
        OptionError : the values' law is no flow.
        """
        if not isinstance(self.values, Pushforward):
            raise OptionError(
                f"the latents of values from {type(self.values).__name__}", "a flow: a Pushforward"
            )
        codes, values = x[: self.codes.dim], x[self.codes.dim :]
        absent = self._absent(codes)
        marked = values if absent is None else with_absent(values, absent)
        return self.values.transform.inverse(marked, self._given(codes, context))[0]

    def _given(self, codes: Features, context: Context) -> Features:
        """Return the values' context: the codes' flags, then the context."""
        flags = self.codes.flags(codes)
        return flags if context is None else jnp.concatenate([flags, context])

    def _absent(self, codes: Features) -> Array | None:
        """Return which values are absent, or none where all are always there."""
        if max(self.presence) < 0:
            return None
        owners = np.maximum(self.presence, 0)
        optional = jnp.asarray(np.array(self.presence) >= 0)
        return (codes[owners] != 0) & optional.reshape(-1, *(1,) * (codes.ndim - 1))


def _is_partial(values: Density | None) -> bool:
    return (
        isinstance(values, Pushforward)
        and isinstance(values.density, StandardNormal)
        and values.density.partial
    )
