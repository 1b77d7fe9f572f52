"""Transforms made of transforms: chain, scan over equal layers, the inverse direction, freezing."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from pushforward.core.bases import Surjection, Transform
from pushforward.core.errors import OptionError, ShapeError
from pushforward.core.evidence import Evidence, weakest
from pushforward.core.keys import split_or_none
from pushforward.core.parameters import Buffer
from pushforward.core.programs import jit
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.transforms.bounded import Log, Power

T = TypeVar("T")


class Chain(Transform):
    """Apply transforms one after the other, latent to data: x = f_M(… f_1(z)); dlogp adds up.

    Parameters
    ----------
    parts : transforms in the order in which `forward` applies them.

    Source papamakarios2021flows
    """

    parts: tuple[Transform, ...]

    def __init__(self, parts: object):
        self.parts = tuple(parts)  # type: ignore[arg-type]
        if not self.parts:
            raise OptionError("a chain of no transforms", "at least one")
        if any(isinstance(part, Surjection) for part in self.parts):
            raise OptionError(
                "a surjection in a chain",
                "transforms of one space",
                "nest: Pushforward(after, Pushforward(surjection, Pushforward(before, density)))",
            )
        _common(tuple(part.dim for part in self.parts), "dim")
        _common(tuple(part.context_dim or None for part in self.parts), "context_dim")

    @property
    def dim(self) -> int | None:
        return _common(tuple(part.dim for part in self.parts), "dim")

    @property
    def context_dim(self) -> int:
        return _common(tuple(part.context_dim or None for part in self.parts), "context_dim") or 0

    @property
    def evidence(self) -> Evidence:
        return weakest(*(part.evidence for part in self.parts))

    @property
    def support(self) -> str:
        if self.parts[-1].support != "real":
            return self.parts[-1].support
        return "real" if all(part.support == "real" for part in self.parts) else "bounded"

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        keys = split_or_none(key, len(self.parts))
        total = jnp.zeros(z.shape[1:], z.dtype)
        for part, part_key in zip(self.parts, keys, strict=True):
            z, dlogp = part.forward(z, own_context(part, context), key=part_key)
            total = total + dlogp
        return z, total

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        keys = split_or_none(key, len(self.parts))
        total = jnp.zeros(x.shape[1:], x.dtype)
        for part, part_key in zip(reversed(self.parts), reversed(keys), strict=True):
            x, dlogp = part.inverse(x, own_context(part, context), key=part_key)
            total = total + dlogp
        return x, total

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        for part, part_key in zip(self.parts, split_or_none(key, len(self.parts)), strict=True):
            z = part.generate(z, own_context(part, context), key=part_key)
        return z


_recomputed = partial(jax.checkpoint, prevent_cse=False)
"""What a layer computes on the way is computed again for the gradient, not stored for each layer:
memory is that of one layer, and a gradient is no slower (nsf: 1.0 of the time at 8 columns, 0.85 at
43) or much faster (iresnet: 0.33), because nothing has to be copied out of the loop."""


class Scan(Transform):
    """Apply equal layers one after the other by a scan over their stacked parameters.

    The same map as a `Chain` of the layers, at a compile time that does not grow with depth.

    Parameters
    ----------
    layers : transforms of one structure (same class, sizes and static fields).
    stacked : in their place one transform whose leaves hold those of all layers along a first
        axis.
    """

    stacked: Transform

    def __init__(self, layers: Iterable[Transform] = (), *, stacked: Transform | None = None):
        self.stacked = stack_layers(tuple(layers)) if stacked is None else stacked

    @property
    def _first(self) -> Transform:
        """Return the shapes of the first layer: all that its sizes and its kind depend on."""
        of_one = lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)  # noqa: E731
        return jax.tree.map(of_one, self.stacked)

    @property
    def dim(self) -> int | None:
        return self._first.dim

    @property
    def context_dim(self) -> int:
        return self._first.context_dim

    @property
    def evidence(self) -> Evidence:
        return self._first.evidence

    @property
    def support(self) -> str:
        return self._first.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        @_recomputed
        def step(carry, layer_and_key):  # noqa: ANN001, ANN202
            value, total = carry
            layer, layer_key = layer_and_key
            value, dlogp = layer.forward(value, context, key=layer_key)
            return (value, total + dlogp), None

        start = (z, jnp.zeros(z.shape[1:], z.dtype))
        return jax.lax.scan(step, start, (self.stacked, self._keys(key)))[0]

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        @_recomputed
        def step(carry, layer_and_key):  # noqa: ANN001, ANN202
            value, total = carry
            layer, layer_key = layer_and_key
            value, dlogp = layer.inverse(value, context, key=layer_key)
            return (value, total + dlogp), None

        start = (x, jnp.zeros(x.shape[1:], x.dtype))
        return jax.lax.scan(step, start, (self.stacked, self._keys(key)), reverse=True)[0]

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        def step(value, layer_and_key):  # noqa: ANN001, ANN202
            layer, layer_key = layer_and_key
            return layer.generate(value, context, key=layer_key), None

        return jax.lax.scan(step, z, (self.stacked, self._keys(key)))[0]

    def unstack(self) -> Chain:
        """Return the same map as a chain of its layers."""
        depth = jax.tree.leaves(self.stacked)[0].shape[0]
        return Chain(jax.tree.map(lambda leaf: leaf[i], self.stacked) for i in range(depth))  # noqa: B023

    def _keys(self, key: Key) -> Key:
        depth = jax.tree.leaves(self.stacked)[0].shape[0]
        return None if key is None else jax.random.split(key, depth)


def made_at_once(make: Callable[..., Transform], shared: PyTree, *each: PyTree) -> Scan:
    """Return the scan of layers make(*shared, *one of each), in one compiled call.

    `make` is a module's own function, by which the program is kept; `each` has the layers along
    a first axis.
    """
    return Scan(stacked=_made(make, shared, *each))


@partial(jit, how=eqx.filter_jit)
def _made(make: Callable[..., Transform], shared: PyTree, *each: PyTree) -> Transform:
    return eqx.filter_vmap(partial(make, *shared))(*each)


class Invert(Transform):
    """Swap the two directions of a bijection; dlogp changes its sign with the pair's roles."""

    transform: Transform
    support: ClassVar[str] = "real"

    def __check_init__(self) -> None:
        bijective = self.transform.evidence <= Evidence.NUMERICAL
        real = self.transform.support == "real" and not needs_positives(self.transform)
        if not (bijective and real):
            raise OptionError(
                f"{type(self.transform).__name__} to invert", "a bijection of the real space"
            )

    @property
    def dim(self) -> int | None:
        return self.transform.dim

    @property
    def context_dim(self) -> int:
        return self.transform.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.transform.evidence

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        x, dlogp = self.transform.inverse(z, context, key=key)
        return x, -dlogp

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        z, dlogp = self.transform.forward(x, context, key=key)
        return z, -dlogp


class Frozen(Transform):
    """Keep a transform out of training: its parameters become buffers."""

    buffer: Buffer

    def __init__(self, transform: Transform):
        self.buffer = Buffer(transform)

    @property
    def dim(self) -> int | None:
        return self.buffer.value.dim

    @property
    def context_dim(self) -> int:
        return self.buffer.value.context_dim

    @property
    def evidence(self) -> Evidence:
        return self.buffer.value.evidence

    @property
    def support(self) -> str:
        return self.buffer.value.support

    def forward(
        self, z: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self.buffer.value.forward(z, context, key=key)

    def inverse(
        self, x: Features, context: Context = None, *, key: Key = None
    ) -> tuple[Features, DLogp]:
        return self.buffer.value.inverse(x, context, key=key)

    def generate(self, z: Features, context: Context = None, *, key: Key = None) -> Features:
        return self.buffer.value.generate(z, context, key=key)


def needs_positives(transform: Transform) -> bool:
    """Tell whether a transform takes positive latents only: a base on the whole line loses mass."""
    if isinstance(transform, Chain):
        return needs_positives(transform.parts[0])
    if isinstance(transform, Frozen):
        return needs_positives(transform.buffer.value)
    return isinstance(transform, Log | Power)


def stack_layers(layers: tuple[T, ...]) -> T:
    """Return one layer whose leaves are those of equal layers, along a new first axis."""
    if len({jax.tree.structure(layer) for layer in layers}) != 1:
        raise OptionError("layers of different structure, or none", "equal layers, or a Chain")
    return _stack(*layers)


@jax.jit
def _stack(*layers: T) -> T:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)


def own_context(part: Transform, context: Context) -> Context:
    """Return the context for a part that uses one, else none."""
    return context if part.context_dim else None


def _common(sizes: tuple[int | None, ...], name: str) -> int | None:
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        raise ShapeError(f"parts with {name} {sorted(known)}", f"one {name} for all parts")
    return known.pop() if known else None
