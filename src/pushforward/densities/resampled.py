"""A base that is learned by rejection: a normal of which a net keeps some draws and not others."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from scipy.special import ndtri

from pushforward.core.bases import Density
from pushforward.core.border import align
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.numerics import LOG_2PI
from pushforward.core.parameters import Buffer
from pushforward.core.types import Context, DLogp, Features, Key
from pushforward.nets.mlp import Trunk

MIN_ACCEPTANCE = 1e-3
"""Least chance that a draw is kept: log p stays finite, and its slope."""


class Resampled(Density):
    r"""Draw from N(0, I) until a net accepts, at most `rounds` times, and keep the last draw.

    log p(z) = log N(z; 0, I) + log((1 − r) a(z)/Z + r),   Z = E_N[a],   r = (1 − Z)^(rounds − 1),

    a(z) = 10⁻³ + (1 − 10⁻³) sigmoid(net(z)). It can hold several modes and holes, which a flow
    of one piece on a normal base cannot make without thin bridges. A new one is the normal.

    Z is a mean over fixed quasi-random points, so that log p is 'numerical': its error is that of
    log Z, the same for all z, of which `log_normalizer_error` gives an estimate. While learning,
    `negative_log_likelihood` moves the points at each step (`redrawn`): a net that always saw the
    same ones would learn to refuse just those.

    Parameters
    ----------
    dim : event size; above ten or so the points are too few.
    key : random key for the net.
    hidden, activation : the net's widths and activation name.
    rounds : draws that are made at most, at least two.
    points : quasi-random points for Z, a power of two.

    Cost: a net call for each row and one for each point; samples 1/Z net calls, `rounds` at most.
    Source stimper2022resampling
    """

    trunk: Trunk
    head: Float[Array, " width"]
    bias: Float[Array, ""]
    points: Buffer
    rounds: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    context_dim: ClassVar[int] = 0
    evidence: ClassVar[Evidence] = Evidence.NUMERICAL
    support: ClassVar[str] = "real"

    def __init__(
        self,
        dim: int,
        *,
        key: Array,
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "tanh",
        rounds: int = 100,
        points: int = 4096,
    ):
        if dim < 1 or rounds < 2 or points < 2 or points & (points - 1):
            raise OptionError(
                f"dim={dim}, rounds={rounds}, points={points}",
                "dim ≥ 1, rounds ≥ 2, points a power of two",
            )
        self.trunk = Trunk(dim, hidden, key=key, activation=activation)
        self.head, self.bias = jnp.zeros(hidden[-1]), jnp.zeros(())
        self.points = Buffer(jnp.asarray(_spread(dim, points, seed=0), jnp.result_type(float)))
        self.rounds, self.dim = rounds, dim

    def acceptance(self, z: Features) -> DLogp:
        """Return a(z), the chance that a draw is kept, features first."""
        level = jnp.tensordot(self.head, self.trunk(z), 1) + align(self.bias, z.ndim - 1)
        return MIN_ACCEPTANCE + (1 - MIN_ACCEPTANCE) * jax.nn.sigmoid(level)

    def log_normalizer_error(self) -> float:
        """Return how far log Z is off, nats: the root mean square from eight other such sets."""
        dim, count = self.points.value.shape
        sets = [_spread(dim, count, seed) for seed in range(1, 9)]
        dtype = self.points.value.dtype
        logs = [float(jnp.log(self.acceptance(jnp.asarray(s, dtype)).mean())) for s in sets]
        own = float(jnp.log(self.acceptance(self.points.value).mean()))
        return float(np.sqrt(np.mean(np.square(np.array(logs) - own))))

    def _log_prob(self, x: Features, context: Context) -> DLogp:
        normalizer = self.acceptance(self.points.value).mean()
        last = (1 - normalizer) ** (self.rounds - 1)
        kept = jnp.log((1 - last) * self.acceptance(x) / normalizer + last)
        return kept - 0.5 * (jnp.square(x) + LOG_2PI).sum(0)

    def _sample(self, key: Key, n: int, context: Context) -> Features:
        dtype = self.points.value.dtype

        def going(state: tuple) -> Array:
            _, _, accepted, count = state
            return (count < self.rounds) & ~accepted.all()

        def draw(state: tuple) -> tuple:
            key, z, accepted, count = state
            key, fresh_key, keep_key = jax.random.split(key, 3)
            z = jnp.where(accepted, z, jax.random.normal(fresh_key, (self.dim, n), dtype))
            accepted = accepted | (jax.random.uniform(keep_key, (n,)) < self.acceptance(z))
            return key, z, accepted, count + 1

        start = (key, jnp.zeros((self.dim, n), dtype), jnp.zeros(n, bool), 0)
        return jax.lax.while_loop(going, draw, start)[1]


def redrawn(model: PyTree, key: Array) -> PyTree:
    """Return a model whose resampled bases have other points, as even: all moved on a torus."""
    nodes, structure = jax.tree.flatten(model, is_leaf=_is_resampled)
    keys = jax.random.split(key, len(nodes))
    moved = [_moved(n, k) if _is_resampled(n) else n for n, k in zip(nodes, keys, strict=True)]
    return jax.tree.unflatten(structure, moved)


def _moved(base: Resampled, key: Array) -> Resampled:
    points = base.points.value
    shift = jax.random.uniform(key, (points.shape[0], 1), points.dtype)
    shares = (jax.scipy.special.ndtr(points) + shift) % 1
    tiny = float(jnp.finfo(points.dtype).eps)  # a share of 0 or 1 would be an infinite normal
    fresh = jax.scipy.special.ndtri(jnp.clip(shares, tiny, 1 - tiny))
    return eqx.tree_at(lambda b: b.points.value, base, fresh)


def _is_resampled(node: object) -> bool:
    return isinstance(node, Resampled)


def _spread(dim: int, count: int, seed: int) -> Float[np.ndarray, "dim count"]:
    """Return normal quantiles of scrambled Sobol points, evenly spread over the normal."""
    from scipy.stats import qmc  # a second, for what few ask for

    return ndtri(qmc.Sobol(dim, seed=seed).random(count)).T
