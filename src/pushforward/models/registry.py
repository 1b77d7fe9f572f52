"""Every recipe by name, with its family, evidence, year and source."""

import dataclasses
import inspect
from collections.abc import Callable

from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.models.discrete import discrete_flow
from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.folded import abs_flow, rad
from pushforward.models.linear import gaussian
from pushforward.models.spaces import sphere_flow, torus_nsf


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Describe a recipe: what it builds, what its numbers are and where it comes from."""

    name: str
    build: Callable[..., Density]
    family: str
    evidence: Evidence
    year: int
    source: str


_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("abs_flow", abs_flow, "preimage sum", Evidence.EXACT, 2020, "nielsen2020survae"),
        Recipe(
            "discrete_flow", discrete_flow, "discrete", Evidence.EXACT, 2019, "tran2019discrete"
        ),
        Recipe("gaussian", gaussian, "linear", Evidence.EXACT, 1809, "papamakarios2021flows"),
        Recipe("maf", maf, "autoregressive", Evidence.EXACT, 2017, "papamakarios2017maf"),
        Recipe("nsf", nsf, "spline", Evidence.EXACT, 2019, "durkan2019nsf"),
        Recipe("rad", rad, "surjection", Evidence.EXACT, 2019, "dinh2019rad"),
        Recipe("realnvp", realnvp, "coupling", Evidence.EXACT, 2017, "dinh2017realnvp"),
        Recipe("sphere_flow", sphere_flow, "sphere", Evidence.EXACT, 2020, "rezende2020tori"),
        Recipe("torus_nsf", torus_nsf, "torus", Evidence.EXACT, 2020, "rezende2020tori"),
    )
}


def names() -> tuple[str, ...]:
    """Return the names that `build` knows, in alphabetical order."""
    return tuple(sorted(_RECIPES))


def recipe(name: str) -> Recipe:
    """Return the recipe of that name, or say which names exist."""
    if name not in _RECIPES:
        raise OptionError(f"model {name!r}", f"one of {', '.join(names())}")
    return _RECIPES[name]


def build(name: str, dim: int, *, key: Array, context_dim: int = 0, **options: object) -> Density:
    """Build a model by its recipe's name.

    Parameters
    ----------
    name : one of `names()`.
    dim, context_dim : event and context size.
    key : random key for the starting parameters.
    options : the recipe's own options, such as layers, hidden, bins, activation, base.

    Raises
    ------
    OptionError : no such recipe, or it has no such option.
    """
    chosen = recipe(name).build
    known = [p for p in inspect.signature(chosen).parameters if p not in ("dim", "key")]
    for option in options:
        if option not in known:
            raise OptionError(f"option {option!r} of {name!r}", f"one of {', '.join(known)}")
    return chosen(dim, key=key, context_dim=context_dim, **options)
