"""Shapes by name: the event is axis 0, batch axes trail."""

from jaxtyping import Array, Float

Features = Float[Array, "_ *n"]
"""An event `(dim,)` or a batch of them `(dim, n)`."""

DLogp = Float[Array, "*n"]
"""One number per event, nats."""

Context = Float[Array, "_ ..."] | None
"""The conditioning value `(context_dim,)` or `(context_dim, n)`, or none."""

Key = Array | None
"""A JAX random key, where one is needed."""
