"""Groups of features side by side, each with a transform of its own."""

import functools

import equinox as eqx
import jax.numpy as jnp

from pushforward.core.bases import Transform
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.keys import split_or_none
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.compose import own_context


class Concatenate(Transform):
    """Transform groups of features apart: x = (f_1(z_1), f_2(z_2), …); dlogp adds up.

    Parameters
    ----------
    parts : a transform per group.
    sizes : number of features of each group, in the order of the features.

    Source papamakarios2021flows
    """

    parts: tuple[Transform, ...]
    sizes: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, parts: object, sizes: object):
        self.parts = tuple(parts)  # type: ignore[arg-type]
        self.sizes = tuple(int(size) for size in sizes)  # type: ignore[attr-defined]
        if not self.parts or len(self.parts) != len(self.sizes) or min(self.sizes) < 1:
            raise OptionError(
                f"{len(self.parts)} parts of sizes {self.sizes}", "a positive size for each part"
            )
        for part, size in zip(self.parts, self.sizes, strict=True):
            if part.dim not in (None, size):
                raise ShapeError(f"a transform of dim {part.dim} for {size} features", "equal")
        if len({part.context_dim for part in self.parts} - {0}) > 1:
            raise ShapeError("parts with contexts of different size", "one context for all")

    @property
    def dim(self) -> int:
        return sum(self.sizes)

    @property
    def context_dim(self) -> int:
        return max(part.context_dim for part in self.parts)

    @property
    def evidence(self) -> Evidence:
        return weakest(*(part.evidence for part in self.parts))

    @property
    def support(self) -> str:
        supports = {part.support for part in self.parts}
        return supports.pop() if len(supports) == 1 else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        keys = split_or_none(key, len(self.parts))
        pairs = [
            part.forward(group, own_context(part, context), key=part_key)
            for part, group, part_key in zip(self.parts, self._groups(z), keys, strict=True)
        ]
        return _joined(pairs)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        keys = split_or_none(key, len(self.parts))
        pairs = [
            part.inverse(group, own_context(part, context), key=part_key)
            for part, group, part_key in zip(self.parts, self._groups(x), keys, strict=True)
        ]
        return _joined(pairs)

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        keys = split_or_none(key, len(self.parts))
        return jnp.concatenate(
            [
                part.generate(group, own_context(part, context), key=part_key)
                for part, group, part_key in zip(self.parts, self._groups(z), keys, strict=True)
            ]
        )

    def _groups(self, event: Features) -> list[Features]:
        starts = [sum(self.sizes[:i]) for i in range(len(self.sizes))]
        return [event[i : i + size] for i, size in zip(starts, self.sizes, strict=True)]


def _joined(pairs: list[tuple[Features, DLogp]]) -> tuple[Features, DLogp]:
    """Return the groups side by side, and the sum of their dlogp."""
    values, changes = zip(*pairs, strict=True)
    return jnp.concatenate(values), functools.reduce(jnp.add, changes)
