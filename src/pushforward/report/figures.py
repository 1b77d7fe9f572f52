"""Figures of a report, drawn from its findings alone, as SVG."""

import io
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

REAL, SAMPLED, NEUTRAL = "#1f6f8b", "#d1603d", "#7a7a7a"
"""Colours of real and sampled rows, told apart by colour-blind readers and in print."""

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "pushforward",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": NEUTRAL,
    "axes.linewidth": 0.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.titlesize": 9,
    "legend.frameon": False,
}
_MAX_LATENTS = 60
_LABEL = 12
"""Characters of a category's name under its bar."""


def training_curve(card: dict[str, Any]) -> str | None:
    """Draw train and validation loss against the epoch; none without epochs."""
    history = card["history"]
    if not history["epoch"]:
        return None
    figure, axes = _figure(1, 6.4, 2.8)
    axes[0].plot(history["epoch"], history["train"], color=NEUTRAL, label="train (with noise)")
    if history["validation"]:
        best = int(np.nanargmin(history["validation"]))
        axes[0].plot(history["epoch"], history["validation"], color=REAL, label="validation")
        axes[0].plot(
            history["epoch"][best], history["validation"][best], "o", color=REAL, ms=5, mec="white"
        )
    shown = np.array(history["validation"] or history["train"], float)
    low, high = np.nanmin([shown, np.array(history["train"], float)]), np.nanquantile(shown, 0.97)
    if np.isfinite([low, high]).all() and high > low:
        axes[0].set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    axes[0].set_xlabel("epoch")
    axes[0].set_ylabel("nats per row (standardized)")
    axes[0].legend()
    return _svg(figure)


def against_baselines(card: dict[str, Any]) -> str:
    """Draw hold-out nats of the model and the baselines, with two standard errors."""
    rows = [(card["model"], card["holdout_nats"], card["holdout_se"], REAL)]
    rows += [
        (name, nats, card["baseline_se"][name], NEUTRAL)
        for name, nats in card["baselines"].items()
        if nats is not None
    ]
    rows.sort(key=lambda row: row[1])
    figure, axes = _figure(1, 6.4, 0.7 + 0.35 * len(rows))
    for y, (_, nats, error, colour) in enumerate(rows):
        axes[0].errorbar(nats, y, xerr=2 * error, fmt="o", color=colour, capsize=3)
        axes[0].annotate(
            f"{nats:.2f}", (nats, y), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes[0].set_yticks(range(len(rows)), [_plain(row[0]) for row in rows])
    axes[0].set_ylim(-0.6, len(rows) - 0.3)
    axes[0].set_xlabel("nats per row, higher is better (bars: two standard errors)")
    return _svg(figure)


def marginals(found: list[dict[str, Any]]) -> str:
    """Draw each column's histogram, real against sampled."""
    drawn = [marginal for marginal in found if "real" in marginal]
    figure, axes = _figure(len(drawn), 2.3, 1.6, columns=3)
    for ax, marginal in zip(axes, drawn, strict=True):
        ax.set_title(_plain(marginal["name"]))
        ax.set_yticks([])
        if "labels" in marginal:
            places = np.arange(len(marginal["labels"]))
            ax.bar(places, marginal["real"], 0.8, color=REAL, alpha=0.35, label="real")
            ax.bar(
                places,
                marginal["sampled"],
                0.8,
                fill=False,
                edgecolor=SAMPLED,
                lw=1.2,
                label="sampled",
            )
            labels = [_plain(text[:_LABEL]) for text in marginal["labels"]]
            ax.set_xticks(places, labels, rotation=45, ha="right", fontsize=7)
            continue
        edges = marginal["edges"]
        ax.stairs(marginal["real"], edges, fill=True, color=REAL, alpha=0.35, label="real")
        ax.stairs(marginal["sampled"], edges, color=SAMPLED, lw=1.2, label="sampled")
        ax.xaxis.set_major_locator(MaxNLocator(4))
    if drawn:
        axes[0].legend(fontsize=7)
    return _svg(figure)


def pairs(found: list[dict[str, Any]]) -> str | None:
    """Draw the worst pairs side by side: real left, sampled right, one scale for both."""
    if not found:
        return None
    figure, axes = _figure(2 * len(found), 3.2, 2.5, columns=2)
    for k, pair in enumerate(found):
        counts = [np.array(pair[kind], float).T for kind in ("real", "sampled")]
        top = np.sqrt(max(c.max() for c in counts)) or 1.0
        for ax, image, kind in zip(
            axes[2 * k : 2 * k + 2], counts, ("real", "sampled"), strict=True
        ):
            ax.imshow(
                np.ma.masked_equal(np.sqrt(image), 0),
                origin="lower",
                aspect="auto",
                extent=(*pair["x_range"], *pair["y_range"]),
                cmap="Blues" if kind == "real" else "Oranges",
                vmin=0,
                vmax=top,
                interpolation="nearest",
            )
            ax.set_title(f"{kind}", color=REAL if kind == "real" else SAMPLED)
            ax.set_xlabel(_plain(pair["x"]))
            ax.set_ylabel(_plain(pair["y"]))
            ax.xaxis.set_major_locator(MaxNLocator(4))
    return _svg(figure)


def latents(found: list[dict[str, Any]], normal: list[float]) -> str:
    """Draw each latent's quantiles against the standard normal's."""
    figure, axes = _figure(1, 4.2, 3.4)
    for latent in found[:_MAX_LATENTS]:
        axes[0].plot(normal, latent["quantiles"], color=REAL, alpha=0.5, lw=1)
    axes[0].plot(normal, normal, color=NEUTRAL, lw=1, ls="--", label="where the model holds")
    axes[0].set_xlabel("standard normal quantile")
    axes[0].set_ylabel("latent quantile")
    axes[0].legend()
    return _svg(figure)


def calibration(found: dict[str, Any]) -> str:
    """Draw the histograms that are flat where the model holds."""
    figure, axes = _figure(2, 3.2, 2.4, columns=2)
    edges = np.array(found["edges"])
    for counts in found["pit"][:_MAX_LATENTS]:
        share = np.array(counts) / max(sum(counts), 1) * (len(edges) - 1)
        axes[0].stairs(share, edges, color=REAL, alpha=0.5, lw=0.9)
    share = np.array(found["p_values"]) / max(sum(found["p_values"]), 1) * (len(edges) - 1)
    axes[1].stairs(share, edges, fill=True, color=REAL, alpha=0.4)
    for ax, title in zip(axes, ("PIT of each latent", "p-values of the rows"), strict=True):
        ax.axhline(1, color=NEUTRAL, ls="--", lw=1)
        ax.set_title(title)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("probability")
    axes[0].set_ylabel("density")
    return _svg(figure)


def _figure(count: int, width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    rows = -(-count // columns)
    with rc_context(_STYLE):
        figure = Figure(figsize=(width * min(columns, max(count, 1)), height * max(rows, 1)))
        FigureCanvasSVG(figure)
        grid = figure.subplots(max(rows, 1), min(columns, max(count, 1)), squeeze=False)
    axes = list(grid.flat)
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def _svg(figure: Figure) -> str:
    with rc_context(_STYLE):
        figure.tight_layout()
        target = io.StringIO()
        figure.savefig(
            target,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = target.getvalue()
    return text[text.index("<svg") :]


def _plain(name: str) -> str:
    """Keep matplotlib from reading a name as mathematics, and long ones short."""
    short = name if len(name) <= 28 else name[:27] + "…"
    return short.replace("$", r"\$")
