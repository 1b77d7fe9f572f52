"""Which models a table's size calls for, and how each is built around its columns."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pushforward.core.bases import Density, Transform
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.core.programs import compiled
from pushforward.densities.autoregressive import CategoricalAutoregressive
from pushforward.densities.mixed import Mixed
from pushforward.densities.pushforward import Pushforward
from pushforward.densities.standard import StandardNormal
from pushforward.fitting.moments import gaussian_moments
from pushforward.fitting.plan import make_plan
from pushforward.fitting.regression import regression_slopes
from pushforward.models.registry import build, options_of, recipe
from pushforward.tables.schema import Schema
from pushforward.transforms.autoregressive import MaskedAutoregressive
from pushforward.transforms.compose import Chain, Frozen, Invert
from pushforward.transforms.elementwise import BoundedAffine
from pushforward.transforms.linear import ContextShift, Triangular

MIN_FLOW_ROWS = 30
"""Fewer training rows than this leave nothing to choose a flow by: the Gaussian alone."""

_WIDER = ("maf", "nsf", "realnvp")
"""Recipes that tables are fitted with in wider nets than their own default; found as below."""

_WIDE = 64
"""From this many columns on coupling layers: half the heads, and sampling in one call."""


_DROPOUT, _DROPOUT_ROWS, _MOST_DROPOUT = 0.2, 15_000, 0.5
"""Dropout at so many rows, and its limit: found on validation rows of tables of 150 to 15,000."""

_CONDITIONAL_HIDDEN, _CONDITIONAL_DROPOUT = (64, 64), 0.1
_MEMBERS, _MEMBER_ROWS = 5, 20_000
"""Flows given a context: nets, dropout, and members of the mixture below so many rows."""

_START_ROWS = 50_000
"""Rows at most that tell a flow's start, its regression and its whitening: the rest is learned."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Name a recipe with its options and how it is to be fitted.

    With several members the model is their mixture: each learns from all but one part of the
    rows, and stops by that part.
    """

    recipe: str
    options: tuple[tuple[str, Any], ...] = ()
    dropout: float = 0.0
    learning_rate: float | None = None
    max_epochs: int | None = None
    members: int = 1

    @property
    def name(self) -> str:
        coupling = dict(self.options).get("coupling", False)
        return f"{self.recipe}-coupling" if coupling else self.recipe


def candidates(model: str, n: int, dim: int, context_dim: int = 0) -> tuple[Candidate, ...]:
    """Return the flows to try on n training rows of dim columns, besides the Gaussian.

    Dropout grows as rows get fewer, so that small tables are not learned by heart. Below eight
    columns a step is cheap, and up to twice as many are taken.
    """
    if model == "gaussian" or n < MIN_FLOW_ROWS:
        return ()
    dropout = min(_MOST_DROPOUT, _DROPOUT * (_DROPOUT_ROWS / n) ** (1 / 3))
    options: dict[str, Any] = {}
    if model == "auto":
        model, options = "nsf", {"coupling": dim >= _WIDE}
    if model in _WIDER:
        options = {"layers": 5, "hidden": (128, 128), **options}
    if recipe(model).family == "gaussianization":
        return (Candidate(model, (), dropout),)
    if context_dim:
        return (_conditional(model, options, n, dim),)
    if "linear" in options_of(model):
        options["linear"] = dim > 1
    epochs = math.ceil(make_plan(n).max_epochs * min(2.0, max(1.0, 8 / dim) ** 0.5))
    return (Candidate(model, tuple(options.items()), dropout, 4e-3, epochs),)


def _conditional(model: str, options: dict[str, Any], n: int, dim: int) -> Candidate:
    """Return the flow of dim columns given others: location and scale first, then its shape."""
    if "layers" in options_of(model):
        options = {**options, "layers": 1 if dim == 1 else 3}
    return Candidate(
        model,
        tuple({**options, "hidden": _CONDITIONAL_HIDDEN}.items()),
        _CONDITIONAL_DROPOUT,
        members=_MEMBERS if n < _MEMBER_ROWS else 1,
    )


def takes_absent(model: str) -> bool:
    """Tell whether a model of a table bears values that are absent from some of its rows."""
    return model in ("auto", "gaussian") or "partial" in options_of(model)


@dataclasses.dataclass(frozen=True)
class TrainingRows:
    """Hold what a model is built from.

    Parameters
    ----------
    schema : the table's columns, scaled.
    codes, u : the rows' codes and standardized values, NaN where there is none; recorded values
        already spread over their cells.
    weights : one per row.
    context : the numbers that the law is conditioned on; no columns where it is not.
    """

    schema: Schema
    codes: Float[np.ndarray, "n c"]
    u: Float[np.ndarray, "n v"]
    weights: Float[np.ndarray, " n"]
    context: Float[np.ndarray, "n k"]

    def __getitem__(self, places: np.ndarray) -> "TrainingRows":
        parts = (self.codes, self.u, self.weights, self.context)
        return TrainingRows(self.schema, *(part[places] for part in parts))

    def masses(self) -> list[np.ndarray]:
        """Return per coded column the share of each state, each counted half a row more."""
        found, weights = [], self.weights / self.weights.mean()
        for k, size in enumerate(self.schema.sizes):
            own = self.codes[:, k].astype(int)
            counts = np.bincount(own, weights, minlength=size) + 0.5
            found.append(counts / counts.sum())
        return found


def gaussian(rows: TrainingRows, bounds: Transform | None) -> Density:
    """Return independent codes and the full-covariance Gaussian of values (within bounds).

    Its mean is linear in the codes and in the context. Nothing is left to learn.
    """
    schema, n_values = rows.schema, len(rows.schema.valued)
    given = np.concatenate([schema.flags(rows.codes), rows.context], 1)
    values = None
    if n_values:
        u = rows.u
        if bounds is not None:
            u = np.asarray(bounds.inverse(jnp.asarray(u.T, float))[0], np.float64).T
        slopes = regression_slopes(u, given, rows.weights)
        left = u - given @ slopes.T
        parts = [Frozen(Invert(_whitening(left, rows.weights, schema.is_partial)))]
        if given.shape[1]:
            parts.append(Frozen(_shift(slopes)))
        parts += [] if bounds is None else [bounds]
        transform = Chain(parts) if len(parts) > 1 else parts[0]
        values = Pushforward(transform, StandardNormal(n_values, schema.is_partial))
    if not schema.coded:
        return values  # type: ignore[return-value]
    codes = CategoricalAutoregressive(
        schema.sizes,
        key=jax.random.key(0),
        context_dim=rows.context.shape[1],
        masses=rows.masses(),
        hidden=(1,),
    )
    return Mixed(codes, values, schema.presence)


def _shift(slopes: Float[np.ndarray, "v k"]) -> ContextShift:
    """Return the shift by a linear function of the context."""
    return eqx.tree_at(lambda s: s.slope, ContextShift(*slopes.shape), jnp.asarray(slopes, float))


def flow(
    candidate: Candidate, rows: TrainingRows, columns: Transform | None, key: Array
) -> Density:
    """Build a candidate on top of fitted columns, starting at their Gaussian copula.

    latent → flow → columns → u. The flow starts at the identity, but for the whitening of what
    the columns give: in its first triangular map where it has one, as a fixed layer otherwise.
    Codes have a net of their own, and the flow sees them as its context. Given a context, data
    meet the linear regression on it first, then a location and a scale that a net reads off it.
    """
    schema, options = rows.schema, dict(candidate.options)
    n_context = rows.context.shape[1]
    given = {"context_dim": n_context} if n_context else {}
    if not schema.coded:
        return _values(candidate, rows, columns, key, given)  # type: ignore[arg-type]
    code_key, value_key = jax.random.split(key)
    codes = CategoricalAutoregressive(
        schema.sizes,
        key=code_key,
        context_dim=n_context,
        masses=rows.masses(),
        hidden=options.get("hidden", (64, 64)),
    )
    values = None
    if columns is not None:
        given = {"context_dim": codes.n_flags + n_context}
        if schema.is_partial and not takes_absent(candidate.recipe):
            raise OptionError(
                f"model {candidate.recipe!r} for a table in which values can be absent (missing, "
                "or repeated exactly in a column without a grid)",
                "'auto', 'nsf', 'maf' or 'realnvp'",
            )
        given |= {"partial": True} if schema.is_partial else {}
        values = _values(candidate, rows, columns, value_key, given)
    return Mixed(codes, values, schema.presence)


def _values(
    candidate: Candidate,
    rows: TrainingRows,
    columns: Transform,
    key: Array,
    more: dict[str, Any],
) -> Pushforward:
    """Return the flow of the rows' values."""
    moves = "context_dim" in options_of(candidate.recipe)
    options = {**dict(candidate.options), **(more if moves else {})}
    core = build(candidate.recipe, rows.u.shape[1], key=key, **options)
    if (
        not isinstance(core, Pushforward)
        or core.support != "real"
        or core.evidence > Evidence.NUMERICAL
    ):
        raise OptionError(
            f"model {candidate.recipe!r} for a table",
            "'auto', or a recipe that builds a flow of the real space with a likelihood",
            "fit it by pf.fit on an array that lives where the recipe does",
        )
    if len(rows.u) > _START_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows.u), _START_ROWS, replace=False)]
    normal = np.asarray(_normal_scores(columns, jnp.asarray(rows.u.T, float)), np.float64).T
    partial = rows.schema.is_partial
    given = np.concatenate([rows.schema.flags(rows.codes), rows.context], 1)
    slopes = regression_slopes(normal, given, rows.weights)
    left, shift = normal - given @ slopes.T, [_shift(slopes)] if given.shape[1] else []
    if options.get("linear"):
        core = _start_whitened(core, left, rows.weights, partial)
        return Pushforward(Chain([core.transform, *shift, columns]), core.density)
    whitening = Frozen(Invert(_whitening(left, rows.weights, partial)))
    if not (rows.context.shape[1] and moves):
        return Pushforward(Chain([core.transform, whitening, *shift, columns]), core.density)
    n_context = options["context_dim"]
    moved = MaskedAutoregressive(
        normal.shape[1],
        BoundedAffine(),
        key=jax.random.fold_in(key, 1),
        context_dim=n_context,
        hidden=options.get("hidden", (64, 64)),
        partial=partial,
    )
    return Pushforward(Chain([core.transform, moved, whitening, *shift, columns]), core.density)


@compiled
def _normal_scores(columns: Transform, u: Array) -> Array:
    return columns.inverse(u)[0]


def _start_whitened(
    core: Pushforward,
    rows: Float[np.ndarray, "n dim"],
    weights: Float[np.ndarray, " n"],
    partial: bool,
) -> Pushforward:
    """Set the triangular map that data meet first to the whitening of rows, in its own order."""
    place = lambda f: f.transform.stacked.parts[0].transform  # noqa: E731
    order = np.argsort(core.transform.stacked.parts[-1].order.value[-1])  # type: ignore[attr-defined]
    first = _whitening(rows[:, order], weights, partial)
    layers = jax.tree.map(lambda stack, leaf: stack.at[-1].set(leaf), place(core), first)
    return eqx.tree_at(place, core, layers)


def _whitening(
    rows: Float[np.ndarray, "n dim"], weights: Float[np.ndarray, " n"], partial: bool
) -> Triangular:
    """Return x ↦ A (x − μ), which makes the rows' mean zero and their covariance the identity."""
    mean, covariance = gaussian_moments(rows, weights)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    return Triangular(-whiten @ mean, whiten, partial)
