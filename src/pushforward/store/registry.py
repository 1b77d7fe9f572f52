"""The fixed registry: which classes a model file may name, and where they live."""

import importlib

from pushforward.core.errors import ModelFileError

_MODULES = {
    "core.parameters": ("Buffer",),
    "nets.convolution": ("ConvolutionTrunk",),
    "nets.lipschitz": ("LipschitzNet",),
    "nets.mlp": ("Trunk",),
    "transforms.absent": ("Present",),
    "transforms.autoregressive": ("MaskedAutoregressive",),
    "transforms.block": ("BlockAutoregressive",),
    "transforms.bounded": (
        "Log",
        "Power",
        "Softplus",
        "Tanh",
    ),
    "transforms.compose": (
        "Chain",
        "Frozen",
        "Invert",
        "Scan",
    ),
    "transforms.concatenate": ("Concatenate",),
    "transforms.conditioning": ("Condition",),
    "transforms.coupling": ("Coupling",),
    "transforms.cubic": ("CubicSpline",),
    "transforms.custom": (
        "Bijection",
        "Monotone",
    ),
    "transforms.dequantize": ("Dequantize",),
    "transforms.elementwise": (
        "Affine",
        "BoundedAffine",
        "Exp",
        "Shift",
        "Sigmoid",
        "Sinh",
    ),
    "transforms.gaussianization": (
        "Gaussianization",
        "GreedyPlan",
    ),
    "transforms.image": (
        "ActNorm",
        "ImageCoupling",
        "PerPixel",
    ),
    "transforms.integral": ("UnconstrainedMonotonic",),
    "transforms.leading": ("Leading",),
    "transforms.linear": (
        "ContextShift",
        "LU",
        "Triangular",
    ),
    "transforms.lowrank": ("LowRank",),
    "transforms.marginal": ("MarginalSpline",),
    "transforms.matrix": (
        "Matrix",
        "QR",
        "SVD",
    ),
    "transforms.orthogonal": (
        "Basis",
        "Householder",
        "Orthogonal",
        "Rotation",
    ),
    "transforms.periodic": (
        "CircularSpline",
        "IntervalSpline",
    ),
    "transforms.permute": ("Permute",),
    "transforms.piecewise": (
        "LinearRationalSpline",
        "LinearSpline",
    ),
    "transforms.planar": (
        "Planar",
        "Radial",
        "Sylvester",
    ),
    "transforms.polynomial": (
        "Bernstein",
        "SumOfSquares",
    ),
    "transforms.residual": ("Residual",),
    "transforms.scalar": (
        "LeakyRelu",
        "Negate",
        "SignedAffine",
        "YeoJohnson",
    ),
    "transforms.sigmoidal": (
        "DeepDenseSigmoidal",
        "DeepSigmoidal",
        "MixtureCDF",
    ),
    "transforms.spaces": ("StickBreaking",),
    "transforms.spline": ("RationalQuadraticSpline",),
    "transforms.surjection": (
        "Augment",
        "Max",
        "RandomSigns",
        "Slice",
        "Sort",
    ),
    "transforms.template": ("Heads",),
    "transforms.shells": ("RadialSpline",),
    "transforms.tails": ("Tails",),
    "transforms.warp": ("Warp",),
    "densities.autoregressive": ("CategoricalAutoregressive",),
    "densities.discrete": (
        "DiscreteFlow",
        "ModularShift",
    ),
    "densities.logistic": ("Logistic",),
    "densities.measured": ("Measured",),
    "densities.mixed": ("Mixed",),
    "densities.mixture": ("Mixture",),
    "densities.numpyro": ("NumPyroDensity",),
    "densities.ordered": (
        "Conditional",
        "Marginal",
    ),
    "densities.preimage": (
        "Abs",
        "Fold",
        "HalfNormal",
        "PreimageSum",
        "Sorted",
        "Square",
    ),
    "densities.pushforward": ("Pushforward",),
    "densities.resampled": ("Resampled",),
    "densities.standard": (
        "StandardNormal",
        "StudentT",
        "Uniform",
    ),
    "tables.column": ("Column",),
    "tables.context": ("ContextColumns",),
    "tables.density": ("TableDensity",),
    "tables.integrated": ("Integrated",),
    "tables.measured": ("MeasuredTable",),
    "tables.schema": ("Schema",),
    "judge.blurred": ("BlurredDensity",),
    "judge.kernels": ("Kernels",),
    "judge.outliers": ("OutlierModel",),
    "estimators.conditional": ("ConditionalDensityEstimator",),
    "estimators.density": ("DensityEstimator",),
    "estimators.outliers": ("OutlierDetector",),
}

NAMES = {
    f"{module.split('.')[0]}.{name}": f"pushforward.{module}"
    for module, names in _MODULES.items()
    for name in names
}
"""Registry name → module. Nothing outside this table is ever imported for a file."""

NUMPYRO = "numpyro."
"""Prefix of NumPyro distributions: public classes of `numpyro.distributions`."""


def name_of(cls: type) -> str | None:
    """Return a class's registry name, or None if it has none."""
    for name, module in NAMES.items():
        if cls.__module__ == module and name.split(".")[1] == cls.__name__:
            return name
    return None


def class_of(name: str) -> type:
    """Return the class of a registry name; anything else is refused by name."""
    if name not in NAMES:
        raise ModelFileError(
            f"a model file that names {name!r}",
            "classes of this version of pushforward",
            "upgrade pushforward if the model was written by a newer version",
        )
    return getattr(importlib.import_module(NAMES[name]), name.split(".")[1])
