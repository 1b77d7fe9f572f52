"""Half lines, the interval, powers, kinks, maps that turn around, and a user's own functions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from cases.case import Case, before, kept, layer, own
from pushforward.densities import NumPyroDensity, Pushforward, StandardNormal, Uniform
from pushforward.transforms import (
    Bijection,
    Coupling,
    Exp,
    Frozen,
    LeakyRelu,
    Log,
    MaskedAutoregressive,
    Monotone,
    Negate,
    Power,
    SignedAffine,
    Softplus,
    Tanh,
    YeoJohnson,
)


def bent(z, push, shift):
    return z + jnp.tanh(z + shift) * jax.nn.sigmoid(push)


def falling_cubic(z):
    return -z - z**3 / 8


def twisted(z):
    """A shear whose strength depends on what it does not move; the Jacobian is full."""
    a, b = z
    b = b + jnp.tanh(a)
    return jnp.stack([a + jnp.sin(b), b])


def untwisted(x):
    a, b = x
    a = a - jnp.sin(b)
    return jnp.stack([a, b - jnp.tanh(a)])


def _fixed(transform, base):
    return lambda key: Pushforward(Frozen(transform()), base())


TRANSFORMS = {
    "log": Case(lambda key: Log(), 2, sparsity=own(2), trains=False),
    "softplus": Case(
        lambda key: Softplus(), 2, 0, 0.05, 5.0, (0.0, np.inf), sparsity=own(2), trains=False
    ),
    "tanh": Case(lambda key: Tanh(), 2, 0, -0.98, 0.98, (-1.0, 1.0), sparsity=own(2), trains=False),
    "power_square": Case(
        lambda key: Power(2.0), 2, 0, 0.05, 5.0, (0.0, np.inf), sparsity=own(2), trains=False
    ),
    "power_falling": Case(
        lambda key: Power(-1.0), 1, 0, 0.05, 5.0, (0.0, np.inf), sparsity=own(1), trains=False
    ),
    "leaky_relu": Case(lambda key: LeakyRelu(jnp.array([0.1, 3.0])), 2, sparsity=own(2)),
    "signed_affine": Case(
        lambda key: SignedAffine(jnp.array([1.0, -2.0]), jnp.array([-1e-3, 40.0])),
        2,
        sparsity=own(2),
    ),
    "negate": Case(lambda key: Negate(), 2, sparsity=own(2), trains=False),
    "yeo_johnson": Case(lambda key: YeoJohnson(), 2, sparsity=own(2)),
    "monotone": Case(
        lambda key: Monotone(bent, (0.0, jnp.zeros(2))), 2, sparsity=own(2), saves=False
    ),
    "monotone_falling": Case(
        lambda key: Monotone(falling_cubic, increasing=False),
        1,
        sparsity=own(1),
        trains=False,
        saves=False,
    ),
    "bijection": Case(
        lambda key: Bijection(twisted, untwisted, 2),
        2,
        sparsity=np.ones((2, 2), bool),
        trains=False,
        saves=False,
    ),
    "coupling_leaky": Case(layer(Coupling, 3, LeakyRelu), 3, sparsity=kept(3, 1)),
    "coupling_monotone": Case(
        layer(Coupling, 2, lambda: Monotone(bent, (0.0, 0.0)), 1),
        2,
        1,
        sparsity=kept(2, 1),
        blind=1,
        saves=False,
    ),
    "autoregressive_yeo_johnson": Case(
        layer(MaskedAutoregressive, 3, YeoJohnson), 3, sparsity=before(3)
    ),
}

DENSITIES = {
    "uniform_times_four": Case(
        _fixed(lambda: SignedAffine(0.0, 4.0), lambda: Uniform(0.0, 2.0)),
        1,
        low=0.1,
        high=7.9,
        support=(0.0, 8.0),
        trains=False,
    ),
    "uniform_turned": Case(
        _fixed(lambda: SignedAffine(1.0, -3.0), lambda: Uniform(0.0, 2.0)),
        1,
        low=-4.9,
        high=0.9,
        support=(-5.0, 1.0),
        trains=False,
    ),
    "uniform_exp": Case(
        _fixed(Exp, lambda: Uniform(0.0, 2.0)),
        1,
        low=1.1,
        high=7.0,
        support=(1.0, np.exp(2.0)),
        trains=False,
    ),
    "uniform_log": Case(
        _fixed(Log, lambda: Uniform([1.0, 1.0], [3.0, 3.0])),
        2,
        low=0.1,
        high=1.0,
        support=(0.0, np.log(3.0)),
        trains=False,
    ),
    "gamma_square": Case(
        _fixed(lambda: Power(2.0), lambda: NumPyroDensity(dist.Gamma(3.0))),
        1,
        low=0.1,
        high=9.0,
        support=(0.0, np.inf),
        trains=False,
    ),
    "normal_tanh": Case(
        _fixed(Tanh, lambda: StandardNormal(1)),
        1,
        low=-0.95,
        high=0.95,
        support=(-1.0, 1.0),
        trains=False,
    ),
    "normal_softplus": Case(
        _fixed(Softplus, lambda: StandardNormal(2)),
        2,
        low=0.1,
        high=4.0,
        support=(0.0, np.inf),
        trains=False,
    ),
}
