"""Our side: each case draws raw parameters and returns our map and the same map in plain words.

A case is a function rng → (ours, p). `ours` is a transform or a density with raw parameters; `p`
are the arrays that a reference evaluates: points x (data) and z (latent), and the knots, slopes,
matrices or weights that the docstrings' formulas make of the raw parameters, worked out here.
"""

from benchmarks.references.cases import densities, linear, nets, scalar

CASES = {
    name: case for part in (scalar, linear, nets, densities) for name, case in part.CASES.items()
}
