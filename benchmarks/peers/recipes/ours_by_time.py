"""pushforward's recipes and `fit`, which learns for all the time that it is given."""

from functools import partial

import pushforward as pf
from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.ours import RECIPES, learn

EPOCHS = 100_000
"""More than there is time for."""

if __name__ == "__main__":
    main(partial(learn, max_epochs=EPOCHS), RECIPES, {}, pf.__version__)
