"""F3: the general Jacobian, of the inverse map and of the forward map: both give one density."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import pushforward as pf
from pushforward.densities import StandardNormal
from pushforward.transforms import Bijection


def to_data(z: jax.Array) -> jax.Array:
    """Return x₁ = z₁ + sin x₂, x₂ = z₂ + tanh z₁: both depend on both."""
    b = z[1] + jnp.tanh(z[0])
    return jnp.stack([z[0] + jnp.sin(b), b])


def to_latent(x: jax.Array) -> jax.Array:
    """Return z₁ = x₁ − sin x₂, z₂ = x₂ − tanh z₁."""
    a = x[0] - jnp.sin(x[1])
    return jnp.stack([a, x[1] - jnp.tanh(a)])


def polar(z: jax.Array) -> jax.Array:
    """Return the point at radius z₁ and angle z₂."""
    return z[0] * jnp.stack([jnp.cos(z[1]), jnp.sin(z[1])])


def log_det(matrices: jax.Array) -> np.ndarray:
    return np.linalg.slogdet(np.asarray(matrices))[1]


def main(folder: Path, epochs: int = 0) -> dict:
    """Compute p_X by |det ∂g/∂x| and by 1/|det ∂f/∂z|; by hand, and with the library."""
    rng = np.random.default_rng(0)
    z = jnp.asarray(rng.normal(size=(500, 2)))
    x = jax.vmap(to_data)(z)
    base = StandardNormal(2).log_prob(z)
    by_inverse = base + log_det(jax.vmap(jax.jacobian(to_latent))(x))
    by_forward = base - log_det(jax.vmap(jax.jacobian(to_data))(z))
    model = pf.Pushforward(Bijection(to_data, to_latent, 2), StandardNormal(2))
    by_library = np.asarray(model.log_prob(x))

    # Polar coordinates: |det| = r, so a Rayleigh radius and a uniform angle make a normal.
    radius, angle = rng.rayleigh(size=500), rng.uniform(-np.pi, np.pi, 500)
    log_base = np.log(radius) - radius**2 / 2 - np.log(2 * np.pi)
    polar_z = jnp.stack([jnp.asarray(radius), jnp.asarray(angle)], 1)
    by_polar = log_base - log_det(jax.vmap(jax.jacobian(polar))(polar_z))
    normal = StandardNormal(2).log_prob(jax.vmap(polar)(polar_z))

    # det(A⁻¹) = det(A)⁻¹
    a = rng.normal(size=(100, 5, 5))
    dets = np.linalg.det(a) * np.linalg.det(np.linalg.inv(a))

    side = np.linspace(-3.5, 3.5, 200)
    grid = np.stack(np.meshgrid(side, side), -1)
    lines = jax.vmap(jax.vmap(to_data))(jnp.asarray(grid[::12, ::12]))
    figure = Figure(figsize=(7, 3.3))
    axes = figure.add_subplot(1, 2, 1)
    for way in (np.asarray(lines), np.asarray(lines).swapaxes(0, 1)):
        axes.plot(way[..., 0].T, way[..., 1].T, color="#1f6f8b", lw=0.7)
    axes.set(title="a square grid of z, in x", xticks=[], yticks=[])
    axes = figure.add_subplot(1, 2, 2)
    axes.contourf(side, side, np.exp(np.asarray(model.log_prob(grid))), 14, cmap="magma_r")
    axes.set(title="p(x)", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / "F3_general_jacobian.png", dpi=110)
    return {
        "largest difference of inverse and forward form": float(
            np.abs(by_inverse - by_forward).max()
        ),
        "largest difference from the library": float(np.abs(by_inverse - by_library).max()),
        "largest difference of polar coordinates from the normal": float(
            np.abs(by_polar - np.asarray(normal)).max()
        ),
        "largest difference of det(A) det(A⁻¹) from one": float(np.abs(dets - 1).max()),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
