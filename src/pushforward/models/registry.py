"""Every recipe by name, with its family, evidence, year and source."""

import dataclasses
import inspect
from collections.abc import Callable

from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.models.flows import maf, nsf, realnvp
from pushforward.models.image import glow, realnvp_image
from pushforward.models.linear import gaussian
from pushforward.models.residual import iresnet, residual_flow


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
        Recipe("gaussian", gaussian, "linear", Evidence.EXACT, 1809, "papamakarios2021flows"),
        Recipe("glow", glow, "coupling", Evidence.EXACT, 2018, "kingma2018glow"),
        Recipe("iresnet", iresnet, "residual", Evidence.EXACT, 2019, "behrmann2019iresnet"),
        Recipe("maf", maf, "autoregressive", Evidence.EXACT, 2017, "papamakarios2017maf"),
        Recipe("nsf", nsf, "spline", Evidence.EXACT, 2019, "durkan2019nsf"),
        Recipe("realnvp", realnvp, "coupling", Evidence.EXACT, 2017, "dinh2017realnvp"),
        Recipe("realnvp_image", realnvp_image, "coupling", Evidence.EXACT, 2017, "dinh2017realnvp"),
        Recipe(
            "residual_flow", residual_flow, "residual", Evidence.ESTIMATE, 2019, "chen2019residual"
        ),
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
