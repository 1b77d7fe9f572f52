"""F9: triangular Jacobians. Coupling and autoregressive layers, in both orders."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf
from pushforward.transforms import BoundedAffine, Coupling, MaskedAutoregressive, Permute

DIM = 6
TURN = Permute(np.arange(DIM)[::-1])


def moved(layer: pf.Transform, key: jax.Array) -> pf.Transform:
    """Return the layer with random parameters: a new one is the identity."""
    params, rest = pf.partition(layer)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [v + 0.4 * jax.random.normal(k, v.shape) for v, k in zip(leaves, keys, strict=True)]
    return pf.combine(jax.tree.unflatten(tree, noisy), rest)


@jax.jit
def jacobians(layer: pf.Transform, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return ∂z/∂x by automatic differentiation, and the layer's own dlogp."""
    return jax.vmap(jax.jacobian(lambda x: layer.inverse(x)[0]))(rows), layer.inverse(rows.T)[1]


def main(folder: Path, epochs: int = 0) -> dict:
    """Print which z depends on which x, and compare dlogp with the diagonal's product."""
    keys = jax.random.split(jax.random.key(0), 4)
    layers = {}
    for name, kind, key in (
        ("coupling", Coupling, keys[0]),
        ("autoregressive", MaskedAutoregressive, keys[1]),
    ):
        layer = moved(kind(DIM, BoundedAffine(), key=key, hidden=(32, 32)), key)
        layers[f"{name}, lower"] = layer
        # In the turned order each feature depends on those after it.
        layers[f"{name}, upper"] = pf.Chain([TURN, layer, TURN])

    figure = Figure(figsize=(9, 2.6))
    gaps = []
    points = jax.random.normal(keys[2], (20, DIM))
    for k, (name, layer) in enumerate(layers.items()):
        jacobian, dlogp = jacobians(layer, points)
        diagonal = jnp.log(jnp.abs(jnp.diagonal(jacobian, axis1=1, axis2=2))).sum(1)
        pattern = np.asarray((jacobian != 0).any(0))
        triangle = np.tri(DIM, dtype=bool) if name.endswith("lower") else np.tri(DIM, dtype=bool).T
        assert not pattern[~triangle].any()
        gaps.append(float(jnp.abs(diagonal - dlogp).max()))
        print(f"∂z/∂x, {name}")
        print("\n".join(" ".join("■" if v else "·" for v in row) for row in pattern))
        axes = figure.add_subplot(1, 4, k + 1)
        largest = np.asarray(jnp.abs(jacobian).max(0))
        axes.imshow(np.where(pattern, largest, np.nan), cmap="viridis")
        axes.set(title=name, xlabel="x", ylabel="z", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F9_triangular_jacobians.png", dpi=110)
    return {"largest difference of dlogp and the diagonal's logarithms": max(gaps)}


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
