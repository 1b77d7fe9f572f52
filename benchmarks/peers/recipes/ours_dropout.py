"""pushforward's recipes, learned with a tenth of the nets' hidden units dropped at each step."""

from functools import partial

import pushforward as pf
from benchmarks.peers.recipes.common import main
from benchmarks.peers.recipes.ours import RECIPES, learn

DROPOUT = 0.1
"""Chosen on validation rows that no fit of this benchmark is judged by."""

if __name__ == "__main__":
    noise = pf.fitting.TrainingNoise(DROPOUT)
    main(partial(learn, perturb=noise), RECIPES, {}, pf.__version__)
