"""Every recipe by name, with its family, evidence, year and source."""

import dataclasses
import inspect
from collections.abc import Callable

from jaxtyping import Array

from pushforward.core.bases import Density
from pushforward.core.errors import OptionError
from pushforward.core.evidence import Evidence
from pushforward.models.discrete import discrete_flow
from pushforward.models.flows import iaf, maf, nsf, realnvp
from pushforward.models.folded import abs_flow, rad
from pushforward.models.gaussianization import rbig, sinf
from pushforward.models.image import glow, realnvp_image
from pushforward.models.linear import gaussian
from pushforward.models.low_rank import planar, radial, sylvester
from pushforward.models.mixtures import mixture
from pushforward.models.monotone import (
    bernstein,
    bnaf,
    crs,
    flowpp,
    linear_spline,
    lrs,
    naf,
    nice,
    sospf,
    umnn,
)
from pushforward.models.residual import iresnet, residual_flow
from pushforward.models.spaces import sphere_flow, torus_nsf
from pushforward.models.tailed import simplex_nsf, taf


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
        Recipe("bernstein", bernstein, "polynomial", Evidence.EXACT, 2022, "ramasinghe2022"),
        Recipe("bnaf", bnaf, "autoregressive", Evidence.EXACT, 2019, "decao2019bnaf"),
        Recipe("crs", crs, "spline", Evidence.EXACT, 2019, "durkan2019cubic"),
        Recipe(
            "discrete_flow", discrete_flow, "discrete", Evidence.EXACT, 2019, "tran2019discrete"
        ),
        Recipe("flowpp", flowpp, "coupling", Evidence.EXACT, 2019, "ho2019flowpp"),
        Recipe("gaussian", gaussian, "linear", Evidence.EXACT, 1809, "papamakarios2021flows"),
        Recipe("glow", glow, "coupling", Evidence.EXACT, 2018, "kingma2018glow"),
        Recipe("iaf", iaf, "autoregressive", Evidence.EXACT, 2016, "kingma2016iaf"),
        Recipe("iresnet", iresnet, "residual", Evidence.EXACT, 2019, "behrmann2019iresnet"),
        Recipe("linear_spline", linear_spline, "spline", Evidence.EXACT, 2019, "muller2019"),
        Recipe("lrs", lrs, "spline", Evidence.EXACT, 2020, "dolatabadi2020lrs"),
        Recipe("maf", maf, "autoregressive", Evidence.EXACT, 2017, "papamakarios2017maf"),
        Recipe("mixture", mixture, "mixture", Evidence.EXACT, 1894, "pearson1894"),
        Recipe("naf", naf, "autoregressive", Evidence.EXACT, 2018, "huang2018naf"),
        Recipe("nice", nice, "coupling", Evidence.EXACT, 2015, "dinh2015nice"),
        Recipe("nsf", nsf, "spline", Evidence.EXACT, 2019, "durkan2019nsf"),
        Recipe("planar", planar, "planar", Evidence.EXACT, 2015, "rezende2015"),
        Recipe("rad", rad, "surjection", Evidence.EXACT, 2019, "dinh2019rad"),
        Recipe("radial", radial, "planar", Evidence.EXACT, 2015, "rezende2015"),
        Recipe("rbig", rbig, "gaussianization", Evidence.EXACT, 2011, "laparra2011rbig"),
        Recipe("realnvp", realnvp, "coupling", Evidence.EXACT, 2017, "dinh2017realnvp"),
        Recipe("realnvp_image", realnvp_image, "coupling", Evidence.EXACT, 2017, "dinh2017realnvp"),
        Recipe(
            "residual_flow", residual_flow, "residual", Evidence.ESTIMATE, 2019, "chen2019residual"
        ),
        Recipe("simplex_nsf", simplex_nsf, "spaces", Evidence.EXACT, 2021, "papamakarios2021flows"),
        Recipe("sinf", sinf, "gaussianization", Evidence.EXACT, 2021, "dai2021sinf"),
        Recipe("taf", taf, "spline", Evidence.EXACT, 2020, "jaini2020tails"),
        Recipe("sospf", sospf, "polynomial", Evidence.EXACT, 2019, "jaini2019sos"),
        Recipe("sphere_flow", sphere_flow, "sphere", Evidence.EXACT, 2020, "rezende2020tori"),
        Recipe("sylvester", sylvester, "planar", Evidence.EXACT, 2018, "vandenberg2018sylvester"),
        Recipe("torus_nsf", torus_nsf, "torus", Evidence.EXACT, 2020, "rezende2020tori"),
        Recipe("umnn", umnn, "autoregressive", Evidence.NUMERICAL, 2019, "wehenkel2019umnn"),
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


def options_of(name: str) -> tuple[str, ...]:
    """Return the options that a recipe takes, besides dim and key."""
    parameters = inspect.signature(recipe(name).build).parameters
    return tuple(option for option in parameters if option not in ("dim", "key"))


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
    chosen, known = recipe(name).build, options_of(name)
    for option in options:
        if option not in known:
            raise OptionError(f"option {option!r} of {name!r}", f"one of {', '.join(known)}")
    if "context_dim" in known:
        options["context_dim"] = context_dim
    elif context_dim:
        raise OptionError(f"context_dim={context_dim} of {name!r}", "0: it is given nothing")
    return chosen(dim, key=key, **options)
