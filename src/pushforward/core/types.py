"""Shapes by name: the event is axis 0, batch axes trail."""

import numpy as np
from jaxtyping import Array, Float

Features = Float[Array | np.ndarray, "_ *n"]
"""An event `(dim,)` or a batch of them `(dim, n)`."""

DLogp = Float[Array, "*n"]
"""One number per event, nats."""

Context = Float[Array | np.ndarray, "_ ..."] | None
"""The conditioning value `(context_dim,)` or `(context_dim, n)`, or none."""

Key = Array | None
"""A JAX random key, where one is needed."""
