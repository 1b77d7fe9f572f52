"""F10: images as continuous data. Dequantization noise, and what bits per dimension mean."""

import sys
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import pushforward as pf

LEVELS, DIM = 17, 64  # scikit-learn's digits: 8 × 8 pixels, levels 0 to 16


def main(folder: Path, epochs: int = 20) -> dict:
    """Learn digits as densities of noisy pixels; compare bits per pixel with simpler codes."""
    rows = np.random.default_rng(0).permutation(load_digits().data).astype(np.float32)
    learn, fresh = rows[:1500], rows[1500:]

    # R^64 → (0, 1)^64 → levels: the last layer rounds down, and spreads levels by noise on the way
    # back. Its number is a bound on the mass of a picture, so the whole model's is. At this size a
    # dense net is quickest; pf.models.glow(DIM, shape=(1, 8, 8), key=...) takes its place.
    flow = pf.models.realnvp(DIM, key=jax.random.key(0), layers=4, hidden=(128,))
    last = [pf.transforms.Sigmoid(), pf.transforms.Dequantize(DIM, LEVELS)]
    model = pf.Pushforward(pf.Chain([flow.transform, *last]), flow.density)
    learned = {"max_epochs": epochs, "learning_rate": 5e-3}
    fitted = pf.fit(model, learn, key=jax.random.key(1), **learned).model
    bits = pf.transforms.bits_per_dimension
    bound = np.asarray(fitted.elbo(fresh, key=jax.random.key(2), n=4).value).mean()

    # The same by hand: the density of noisy pixels in [0, 1], and the levels' term.
    noisy, dlogp = last[-1].inverse(fresh.T, key=jax.random.key(3))
    continuous = pf.Pushforward(pf.Chain(fitted.transform.parts[:-1]), fitted.density)
    log_p = np.asarray(continuous.log_prob(np.asarray(noisy).T))
    gap = np.abs(bits(log_p, DIM, LEVELS) - bits(log_p + np.asarray(dlogp), DIM, levels=1)).max()

    shares = np.stack([(learn == k).sum(0) + 1 for k in range(LEVELS)]) / (len(learn) + LEVELS)
    alone = -np.log2(shares[fresh.astype(int), np.arange(DIM)]).mean()
    entropy, widths, combs = _combs(learn)

    figure = Figure(figsize=(10, 2.7))
    samples = np.asarray(fitted.sample(jax.random.key(4), 12))
    spread = 17 * np.asarray(last[-1].inverse(learn[:12].T, key=jax.random.key(5))[0]).T
    panels = (("data", learn[:12]), ("with noise", spread), ("samples", samples))
    for k, (title, pictures) in enumerate(panels):
        axes = figure.add_subplot(1, 4, k + 1)
        sheet = pictures[:12].reshape(4, 3, 8, 8).swapaxes(1, 2).reshape(32, 24)
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=17)
        axes.set(title=title, xticks=[], yticks=[])
    axes = figure.add_subplot(1, 4, 4)
    for name, colour, values in zip(("raw", "noisy"), ("#d1603d", "#1f6f8b"), combs, strict=True):
        axes.semilogx(widths, values, color=colour, label=f"comb on {name} pixels")
    axes.axhline(entropy, color="gray", lw=0.8, label="entropy")
    axes.set(title="bits per pixel", xlabel="width of the teeth", ylim=(-8, 9))
    axes.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(folder / "F10_images.png", dpi=110)
    return {
        "bits per pixel, all levels alike": float(np.log2(LEVELS)),
        "each pixel by itself": float(alone),
        "flow on fresh digits (a bound)": float(bits(bound, DIM, levels=1)),
        "comb on raw pixels, width 1e-6 (no code has so few)": float(combs[0][-1]),
        "largest difference of the two ways to count bits": float(gap),
    }


def _combs(learn: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return one pixel's entropy, and what a density of narrow teeth seems to cost, in bits.

    On raw levels the density at a tooth grows without limit as it narrows: the number says
    nothing. On noisy pixels nothing is gained below the cells' width.
    """
    levels = learn[:, 20].astype(int)
    shares = np.bincount(levels, minlength=LEVELS) / len(levels)
    held = shares[shares > 0]
    entropy = -(held * np.log2(held)).sum()
    noisy = (levels + np.random.default_rng(1).uniform(size=len(levels))) / LEVELS
    middles = (np.arange(LEVELS) + 0.5) / LEVELS
    widths = np.geomspace(0.3, 1e-6, 60)
    costs = []
    for values in (middles[levels], noisy):
        off = np.abs(values[:, None] - middles)[..., None] / widths
        teeth = np.exp(-off) / (2 * widths)  # Laplace: its tails reach the noise
        costs.append(-np.log2((shares[:, None] * teeth).sum(1) + 1e-300).mean(0))
    return float(entropy), widths, np.array(costs) + np.log2(LEVELS)


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(main(out))
