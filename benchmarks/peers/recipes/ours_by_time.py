"""pushforward's flow of splines by `fit`, which learns for all the time that it is given.

A triangular map in each layer, as the estimators have it (`linear=True`).
"""

from functools import partial

import pushforward as pf
from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.ours import learn

RECIPES = {"nsf": partial(pf.models.build, "nsf", linear=True)}
EPOCHS = 100_000
"""More than there is time for."""

if __name__ == "__main__":
    main(partial(learn, max_epochs=EPOCHS), RECIPES, {}, pf.__version__)
