"""Shapes by name: the event is axis 0, batch axes trail."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Array, Float

if TYPE_CHECKING:  # pyright does not read shapes; inside, all of these are JAX arrays
    Features = Array
    DLogp = Array
    Context = Array | None
    Key = Any
else:
    Features = Float[Array | np.ndarray, "_ *n"]
    """An event `(dim,)` or a batch of them `(dim, n)`."""

    DLogp = Float[Array, "*n"]
    """One number per event, nats."""

    Context = Float[Array | np.ndarray, "_ ..."] | None
    """The conditioning value `(context_dim,)` or `(context_dim, n)`, or none."""

    Key = Array | None
    """A JAX random key, where one is needed."""
