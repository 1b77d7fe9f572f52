"""The law of rows seen through Gaussian noise, at several levels of it: a flow and kernels."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from pushforward.core.bases import Density
from pushforward.core.numerics import LOG_2PI
from pushforward.densities.pushforward import Pushforward
from pushforward.fitting.batch import Batch
from pushforward.fitting.gradient import fit
from pushforward.fitting.noise import thin
from pushforward.judge.kernels import Kernels, fit_kernels
from pushforward.models.registry import build
from pushforward.tables.blocks import in_blocks
from pushforward.tables.context import ContextColumns

LEVELS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Sd of the noise, in sd of the columns, each twice the one before: fine structure to shape."""

MAX_COMPONENTS = 64
"""Principal components that the flow sees; what is left of a row is a Gaussian of one variance."""

_MIN_VARIANCE = 1e-6
"""Least variance of what is left of rows: of columns that never change it is zero."""

_DROPOUT = 0.1
"""Share of the nets' units that rest at a learning step."""

Rows = Float[np.ndarray, "n columns"]


class Blur(eqx.Module):
    """Blur a batch before a learning step: a level for each row, drawn evenly in its logarithm.

    Source song2019score
    """

    dropout: float = eqx.field(static=True)

    def __call__(self, model: PyTree, batch: Batch, key: Array) -> tuple[PyTree, Batch]:
        gate_key, level_key, noise_key = jax.random.split(key, 3)
        if self.dropout:
            model = thin(model, self.dropout, batch.x.shape[0], gate_key)
        ends = jnp.log(jnp.asarray([LEVELS[0], LEVELS[-1]]))
        share = jax.random.uniform(level_key, (batch.x.shape[0], 1), batch.x.dtype)
        level = jnp.exp(ends[0] + share * (ends[1] - ends[0]))
        noisy = batch.x + level * jax.random.normal(noise_key, batch.x.shape, batch.x.dtype)
        return model, Batch(noisy / _size(level), _seen(level), batch.weights)


class BlurredDensity(eqx.Module):
    r"""Return the log-density of rows plus noise, at each of the levels, by two laws.

    p_σ(x) = ∫ N(x; x', σ²) p(x') dx', of rows as numbers (`ContextColumns`), in nats. A flow has
    learned it, and sees fine structure; kernels are the learning rows themselves with that noise,
    nearly exact where noise is wide or rows are few. The flow is one of the rows' principal
    components given σ; what is left of a row is a Gaussian of variance s² + σ².

    Parameters
    ----------
    columns : turns cells into numbers.
    rotation : the principal components' directions, orthonormal rows; at most `MAX_COMPONENTS`.
    variance : s².
    density : of the components over √(1 + σ²), given (log σ).
    kernels : a kernel on each learning row.

    Cost: one call of the flow's nets for each level, and a distance to each kernel.
    Source song2019score, silverman1986
    """

    columns: ContextColumns = eqx.field(static=True)
    rotation: np.ndarray
    variance: float = eqx.field(static=True)
    density: Pushforward
    kernels: Kernels

    def radius(self, values: Rows) -> Float[np.ndarray, " n"]:
        """Return the length of rows' latents at the finest level, with what is left of them."""
        numbers, beside = as_numbers(self.columns, values)
        components, left = self._parts(numbers, beside)
        given = np.full((len(components), 1), _seen(LEVELS[0]))
        latents = in_blocks(_latents, self.density, components / np.hypot(1, LEVELS[0]), given)
        return np.sqrt((latents**2).sum(1) + left / (self.variance + LEVELS[0] ** 2))

    def log_prob(self, values: Rows) -> Float[np.ndarray, "n 2 levels"]:
        """Return log p_σ of rows by the flow and by the kernels, for each level σ."""
        numbers, beside = as_numbers(self.columns, values)
        flow = [self.flow_log_prob(numbers, beside, level) for level in LEVELS]
        return np.stack([np.stack(flow, 1), self.kernels.log_prob(numbers, beside)], 1)

    def flow_log_prob(
        self, numbers: Rows, beside: Float[np.ndarray, " n"], level: float
    ) -> Float[np.ndarray, " n"]:
        """Return the flow's log p_σ at a level; `beside` is a square distance from all rows."""
        components, left = self._parts(numbers, beside)
        wide, variance = np.hypot(1, level), self.variance + level**2
        given = np.full((len(components), 1), _seen(level))
        flow = in_blocks(Density.log_prob, self.density, components / wide, given)
        n_left = numbers.shape[1] - components.shape[1]
        rest = -0.5 * (left / variance + n_left * (np.log(variance) + LOG_2PI))
        return flow - components.shape[1] * np.log(wide) + rest

    def _parts(self, numbers: Rows, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the principal components, and the square of what is left."""
        components = numbers @ self.rotation.T
        left = np.maximum((numbers**2).sum(1) - (components**2).sum(1), 0)
        return components, left + beside


@dataclasses.dataclass(frozen=True)
class BlurOptions:
    """Hold the choices of a blurred fit."""

    max_time: float | None
    max_epochs: int | None
    seed: int
    progress: bool


def fit_blurred(
    columns: ContextColumns,
    train: Rows,
    weights: Float[np.ndarray, " n"],
    held: Float[np.ndarray, "m columns"],
    options: BlurOptions,
) -> BlurredDensity:
    """Fit to training rows; held rows, blurred once at each level, choose the epoch."""
    numbers, _ = as_numbers(columns, train)
    rotation = np.eye(numbers.shape[1])
    if numbers.shape[1] > MAX_COMPONENTS:
        rotation = np.linalg.svd(numbers, full_matrices=False)[2][:MAX_COMPONENTS]
    components = numbers @ rotation.T
    n_left = max(numbers.shape[1] - components.shape[1], 1)
    left = ((numbers**2).sum(1) - (components**2).sum(1)).mean() / n_left
    dim = components.shape[1]
    net_key, fit_key = jax.random.split(jax.random.key(options.seed))
    start = build(
        "nsf",
        dim,
        key=net_key,
        context_dim=1,
        coupling=dim > 1,
        layers=4,
        hidden=(128, 128),
        linear=dim > 1,
    )
    fitted = fit(
        start,
        components,
        key=fit_key,
        context=np.zeros((len(components), 1)),
        weights=weights,
        validation=_blurred(as_numbers(columns, held)[0] @ rotation.T, options.seed),
        max_epochs=options.max_epochs,
        max_time=options.max_time,
        progress=options.progress,
        perturb=Blur(_DROPOUT),
    )
    return BlurredDensity(
        columns,
        rotation,
        float(max(left, _MIN_VARIANCE)),
        fitted.model,
        fit_kernels(numbers, weights, LEVELS[0], len(LEVELS), options.seed),
    )


def as_numbers(columns: ContextColumns, values: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as numbers, and how many of their constant columns have another value."""
    changed = np.zeros(len(values))
    for i, column in enumerate(columns.schema.columns):
        if column.kind == "constant":
            known = np.nan if column.constant is None else column.constant
            changed += ~((values[:, i] == known) | (np.isnan(values[:, i]) & np.isnan(known)))
    return columns.encode(values, strict=False), changed


def _blurred(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray, None]:
    """Return rows with noise of each level, and their contexts."""
    rng = np.random.default_rng(seed)
    noisy = [(rows + s * rng.normal(size=rows.shape)) / np.hypot(1, s) for s in LEVELS]
    given = [np.full((len(rows), 1), _seen(s)) for s in LEVELS]
    return np.concatenate(noisy), np.concatenate(given), None


def _size(level):  # noqa: ANN001, ANN202
    return jnp.sqrt(1 + level**2)


def _seen(level):  # noqa: ANN001, ANN202
    """Return what the flow sees of a level: its logarithm, of order one."""
    return jnp.log(level) + 1.0


def _latents(density: Pushforward, rows: Array, context: Array) -> Array:
    return density.transform.inverse(rows.T, context.T)[0].T
