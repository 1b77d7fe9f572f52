"""F6: the planar flow z + û h(wᵀz + b). Ten layers turn simple bases into complicated densities.

The determinant costs O(d) by the matrix determinant lemma, wᵀû > −1 keeps the map invertible,
and the flow learns four unnormalized targets of Rezende and Mohamed (2015) by the reverse
Kullback-Leibler divergence, from a Gaussian and from a uniform base.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf
from pushforward.densities import Pushforward, StandardNormal, Uniform
from pushforward.fitting import fit_to_target
from pushforward.transforms import Affine, Chain

LAYERS = 10
SIDE = 4.0
"""The targets are shown, and the last three confined, in the square |x| ≤ 4."""


def _waves(x):
    first = jnp.sin(2 * jnp.pi * x[:, 0] / 4)
    bump = 3 * jnp.exp(-0.5 * ((x[:, 0] - 1) / 0.6) ** 2)
    return first, bump, 3 * jax.nn.sigmoid((x[:, 0] - 1) / 0.3)


def _wall(x):
    """Return the log of a soft wall around the square: without it the targets are improper."""
    beyond = jnp.maximum(jnp.abs(x) - SIDE, 0.0)
    return -5 * jnp.square(beyond).sum(1)


def two_moons(x):
    ring = -0.5 * jnp.square((jnp.sqrt(jnp.square(x).sum(1) + 1e-9) - 2) / 0.4)
    sides = [-0.5 * jnp.square((x[:, 0] + s * 2) / 0.6) for s in (1, -1)]
    return ring + jnp.logaddexp(*sides)


def wave(x):
    return -0.5 * jnp.square((x[:, 1] - _waves(x)[0]) / 0.4) + _wall(x)


def split_wave(x):
    first, bump, _ = _waves(x)
    parts = [-0.5 * jnp.square((x[:, 1] - first + s) / 0.35) for s in (0, bump)]
    return jnp.logaddexp(*parts) + _wall(x)


def parted_wave(x):
    first, _, step = _waves(x)
    parts = [(0.4, 0), (0.35, step)]
    logs = [-0.5 * jnp.square((x[:, 1] - first + s) / width) for width, s in parts]
    return jnp.logaddexp(*logs) + _wall(x)


TARGETS = (two_moons, wave, split_wave, parted_wave)
BASES = {"gaussian": StandardNormal(2), "uniform": Uniform([-1.7, -1.7], [1.7, 1.7])}


def start(base, key):
    """Return ten planar layers on a base that is widened a little; at first the identity."""
    flow = pf.models.planar(2, key=key, layers=LAYERS, base=base)
    wider = Affine(jnp.zeros(2), jnp.full(2, 1.5))
    return Pushforward(Chain([wider, flow.transform]), flow.density)


def _grid(count):
    axis = np.linspace(-SIDE, SIDE, count)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), (axis[1] - axis[0]) ** 2


def main(folder: Path, epochs: int = 120) -> dict:
    """Learn each target from each base; an epoch is 50 steps."""
    grid, area = _grid(120)
    figure = Figure(figsize=(9, 6.6))
    numbers, gap = {}, 0.0
    targets = TARGETS if epochs > 2 else TARGETS[:1]
    for column, target in enumerate(targets):
        log_p = np.asarray(target(jnp.asarray(grid)))
        log_p = log_p - np.log((np.exp(log_p) * area).sum())
        _show(figure, column, 0, np.exp(log_p), f"{target.__name__}: target")
        for row, (name, base) in enumerate(BASES.items(), 1):
            key = jax.random.key(column)
            model = fit_to_target(
                start(base, key), target, key=key, steps=50 * epochs, learning_rate=0.01, anneal=0.5
            ).model
            density = np.exp(np.asarray(model.log_prob(grid)))
            _show(figure, column, row, density, f"{name} base, {LAYERS} layers")
            mass = float((density * area).sum())
            shared = float((np.minimum(density, np.exp(log_p)) * area).sum())
            numbers[f"overlap of {target.__name__} from the {name} base"] = shared
            numbers[f"mass in the square, {target.__name__} from the {name} base"] = mass
            gap = max(gap, _lemma_against_jacobian(model))
    figure.tight_layout()
    figure.savefig(folder / "F6_planar.png", dpi=110)
    return {**numbers, "largest difference of the lemma and the whole determinant": gap}


def _lemma_against_jacobian(model) -> float:
    z = model.density.sample(jax.random.key(9), 20).T
    x, dlogp = model.transform.forward(z)
    jacobian = jax.vmap(jax.jacobian(lambda v: model.transform.forward(v)[0]), 1)(z)
    return float(jnp.abs(dlogp + jnp.linalg.slogdet(jacobian)[1]).max())


def _show(figure, column, row, density, title):
    axes = figure.add_subplot(3, len(TARGETS), 1 + column + row * len(TARGETS))
    axes.imshow(density.reshape(120, 120), origin="lower", cmap="magma", extent=[-SIDE, SIDE] * 2)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
