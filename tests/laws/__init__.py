"""The laws: what must hold for every transform, density and model.

Each takes a case, the thing it built and a numpy generator, and asserts. Float64 is on where a
law is about exactness, off where it is about what float32 makes of it.
"""

from laws.anything import (
    called_in_any_way,
    compiled_is_eager,
    finite_everywhere,
    leaves_move,
    rows_are_separate,
    scan_is_chain,
    sharded_is_single,
)
from laws.densities import (
    infinity_is_impossible,
    mass_is_one,
    outside_has_no_mass,
    samples_fill_bins,
    samples_have_the_density,
)
from laws.inputs import (
    after_a_step,
    forward,
    inverse,
    jacobian_of_inverse,
    perturbed,
    points,
    sharp,
)
from laws.transforms import (
    composed_as_rounded,
    composed_round_trip,
    context_reaches,
    determinant,
    determinant_by_layer,
    determinant_forward,
    differences,
    outside_is_impossible,
    round_trip,
    round_trip_by_layer,
    same_dlogp,
    sparsity,
)

__all__ = [
    "after_a_step",
    "called_in_any_way",
    "compiled_is_eager",
    "composed_as_rounded",
    "composed_round_trip",
    "context_reaches",
    "determinant",
    "determinant_by_layer",
    "determinant_forward",
    "differences",
    "finite_everywhere",
    "forward",
    "infinity_is_impossible",
    "inverse",
    "jacobian_of_inverse",
    "leaves_move",
    "mass_is_one",
    "outside_has_no_mass",
    "outside_is_impossible",
    "perturbed",
    "points",
    "round_trip",
    "round_trip_by_layer",
    "rows_are_separate",
    "same_dlogp",
    "samples_fill_bins",
    "samples_have_the_density",
    "scan_is_chain",
    "sharded_is_single",
    "sharp",
    "sparsity",
]
