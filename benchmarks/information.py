"""Information measures against closed forms: errors, coverage of the standard errors, a peer.

python -m benchmarks information [--sizes 1000,10000,100000] [--repeats 20] [--laws t3,ring]
    measures what is missing, one JSON line a draw; --table writes the table from the lines.

Repeats are those of up to ten columns and 10⁴ rows; more of either are measured once. The peer is
Kraskov's estimator with three neighbours on the same normal scores, for total correlation.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.special import gammaln, psi

import pushforward as pf
from pushforward.metrics.neighbours import neighbour_total_correlation

HERE = Path(__file__).parent
LINES = HERE / "results" / "information.jsonl"
TABLE = HERE / "results" / "information.md"
GOAL_NATS, GOAL_SHARE = 0.02, 0.05


def normal(d):
    return 0.5 * d * np.log(2 * np.pi * np.e)


def student_entropy(nu, d):
    half = 0.5 * (nu + d)
    constant = gammaln(nu / 2) - gammaln(half) + 0.5 * d * np.log(nu * np.pi)
    return constant + half * (psi(half) - psi(nu / 2))


def student(nu, d):
    def draw(rng, n):
        return rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(nu, n) / nu)[:, None]

    joint = student_entropy(nu, d)
    return draw, {"total_correlation": d * student_entropy(nu, 1) - joint, "entropy": joint}


def equicorrelated(r, d):
    def draw(rng, n):
        own, common = rng.standard_normal((n, d)), rng.standard_normal((n, 1))
        return np.sqrt(1 - r) * own + np.sqrt(r) * common

    tc = -0.5 * ((d - 1) * np.log(1 - r) + np.log(1 + (d - 1) * r))
    return draw, {"total_correlation": tc, "entropy": normal(d) - tc}


def pareto(a, d):
    """Mardia's law, whose copula of two columns is Clayton's with θ = 1/a."""

    def draw(rng, n):
        return 1 + rng.exponential(size=(n, d)) / rng.gamma(a, size=(n, 1))

    joint = -np.log(a + np.arange(d)).sum() + (a + d) * (psi(a + d) - psi(a))
    alone = -np.log(a) + 1 + 1 / a
    return draw, {"total_correlation": d * alone - joint, "entropy": joint}


def mixed_powers(d):
    """y = A s of independent s = sign(g)|g|^e; entropies of single columns by quadrature."""
    rng = np.random.default_rng(d)
    powers, mixing = rng.uniform(0.5, 2.5, d), rng.standard_normal((d, d))

    def sources(rng, n):
        g = rng.standard_normal((n, d))
        return np.sign(g) * np.abs(g) ** powers

    def draw(rng, n):
        return sources(rng, n) @ mixing.T

    g = (np.arange(1_000_000) + 0.5) / 1e6 * 12 + 1e-9  # H(s) = H(g) + E log |ds/dg|
    weight = np.exp(-0.5 * g * g) / np.exp(-0.5 * g * g).sum()
    slope = [(weight * (np.log(e) + (e - 1) * np.log(g))).sum() for e in powers]
    joint = normal(1) * d + np.sum(slope) + np.linalg.slogdet(mixing)[1]
    return draw, {"entropy": joint}


def square():
    def draw(rng, n):
        u = rng.uniform(-1, 1, (n, 2)) / np.sqrt(2)
        return np.stack([u[:, 0] - u[:, 1], u.sum(1)], 1)

    return draw, {"total_correlation": 1 - np.log(2), "entropy": np.log(4)}


def disc():
    def draw(rng, n):
        radius, angle = np.sqrt(rng.uniform(size=n)), rng.uniform(0, 2 * np.pi, n)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)

    return draw, {"total_correlation": np.log(np.pi) - 1, "entropy": np.log(np.pi)}


def ring():
    def draw(rng, n):
        radius, angle = rng.normal(1, 0.1, n), rng.uniform(0, 2 * np.pi, n)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)

    return draw, {"total_correlation": 0.6740, "entropy": 0.9492}


def _laws():
    laws = {"square-2": square(), "disc-2": disc(), "ring-2": ring()}
    for d in (2, 3, 10, 50):
        laws[f"independent-{d}"] = equicorrelated(0.0, d)
        for r in (0.3, 0.5, 0.9):
            laws[f"equicorrelated{r}-{d}"] = equicorrelated(r, d)
        laws |= {f"t{nu}-{d}": student(nu, d) for nu in (3, 5, 20)}
        laws |= {f"pareto{a}-{d}": pareto(a, d) for a in (1, 3)}
        laws[f"powers-{d}"] = mixed_powers(d)
    return laws


def _pairs():
    """Return measures of two sets of columns or rows: draws of both, and the truth."""
    pairs = {}
    for d in (1, 2, 3, 10):
        for nu in (3, 5):
            truth = 2 * student_entropy(nu, d) - student_entropy(nu, 2 * d)
            draw = student(nu, 2 * d)[0]
            pairs[f"mutual_information t{nu}-{d}+{d}"] = (_halves(draw, d), truth)
    for r in (0.3, 0.6, 0.9):
        for d in (1, 2, 5):
            pairs[f"mutual_information blocks{r}-{d}+{d}"] = (
                _blocks(r, d),
                -0.5 * d * np.log(1 - r * r),
            )
    for a in (1, 0.5):
        truth = pareto(a, 2)[1]["total_correlation"]
        pairs[f"mutual_information clayton{1 / a:g}-1+1"] = (_halves(pareto(a, 2)[0], 1), truth)
    for d in (2, 10):
        for m in (0.0, 0.2, 0.4, 0.6):
            pairs[f"kl_divergence mean{m}-{d}"] = (_shifted(m, d), d * m * m / 2)
        known = {2: (0.2811, 0.1053, 0.0466), 10: (0.5097, 0.2259, 0.1119)}[d]
        for nu, truth in zip((1, 2, 3), known, strict=True):
            pairs[f"kl_divergence t8|t{nu}-{d}"] = (_students(8, nu, d), truth)
        known = {2: (0.1847, 0.0775, 0.0336), 10: (0.5138, 0.2774, 0.1486)}[d]
        for nu, truth in zip((2, 4, 7), known, strict=True):
            pairs[f"kl_divergence t100|t{nu}-{d}"] = (_students(100, nu, d), truth)
    return pairs


def _halves(draw, d):
    def both(rng, n):
        rows = draw(rng, n)
        return rows[:, :d], rows[:, d:]

    return both


def _blocks(r, d):
    def both(rng, n):
        x, noise = rng.standard_normal((2, n, d))
        y = r * x + np.sqrt(1 - r * r) * noise
        return x @ rng.standard_normal((d, d)), y @ rng.standard_normal((d, d))

    return both


def _shifted(m, d):
    return lambda rng, n: (rng.standard_normal((n, d)) + m, rng.standard_normal((n, d)))


def _students(first, second, d):
    return lambda rng, n: (student(first, d)[0](rng, n), student(second, d)[0](rng, n))


LAWS, PAIRS = _laws(), _pairs()
CASES = [
    *(f"{measure} {law}" for law, (_, truths) in LAWS.items() for measure in truths),
    *PAIRS,
]


def main(arguments):
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks information", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cases", default="", help="only cases that hold one of a,b,c")
    parser.add_argument("--columns", type=int, default=50, help="at most so many")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args(arguments)
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    done = {(line["case"], line["n"], line["seed"]) for line in map(json.loads, lines)}
    wanted = [part for part in options.cases.split(",") if part]
    todo = [
        (case, n, seed)
        for n in map(int, options.sizes.split(","))
        for case in CASES
        if _columns(case) <= options.columns and (not wanted or any(w in case for w in wanted))
        for seed in range(options.repeats if _columns(case) <= 10 and n <= 10_000 else 1)
        if (case, n, seed) not in done
    ]
    if todo and not options.table:
        os.environ["OMP_NUM_THREADS"] = "1"
        with ProcessPoolExecutor(options.processes) as pool, LINES.open("a") as out:
            for line in pool.map(measure, todo):
                out.write(json.dumps(line) + "\n")
                out.flush()
    write_table()


def measure(what):
    """Return one draw's measurement."""
    case, n, seed = what
    measure, law = case.split(" ")
    rng = np.random.default_rng([seed, n, CASES.index(case)])
    began, peer = time.monotonic(), None
    if case in PAIRS:
        draw, truth = PAIRS[case]
        found = getattr(pf.information, measure)(*draw(rng, n))
    else:
        draw, truths = LAWS[law]
        rows, truth = draw(rng, n), truths[measure]
        found = getattr(pf.information, measure)(rows)
        if measure == "total_correlation" and _columns(case) <= 10:
            peer = float(neighbour_total_correlation(_scores(rows), 3).mean())
    return {
        "case": case,
        "n": n,
        "seed": seed,
        "truth": float(truth),
        "raw": found.raw,
        "std_error": found.std_error,
        "in_sample": found.in_sample,
        "held_out": found.held_out,
        "layers": found.layers,
        "peer": peer,
        "seconds": round(time.monotonic() - began, 2),
        "pushforward": pf.__version__,
    }


def _scores(rows):
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return ndtri((rankdata(rows, axis=0) - 0.5) / len(rows)).T


def _columns(case):
    return sum(map(int, case.rsplit("-", 1)[1].split("+")))


def write_table():
    """Write the table from the lines: mean error, scatter, coverage, and whether the goal holds."""
    groups = defaultdict(list)
    for line in map(json.loads, LINES.read_text().splitlines()):
        groups[line["case"], line["n"]].append(line)
    rows = [
        "Errors against closed forms, nats: the mean over draws, their scatter, the mean standard",
        "error, the share of draws within two of them, the worst |error|, and the goal",
        "max(0.02, 5 %). `peer`: Kraskov's estimator, three neighbours, mean error.",
        "`python -m benchmarks information`",
        "",
        "| case | n | draws | truth | error | scatter | s.e. | within 2 s.e. | worst | goal | "
        "in sample | held out | peer | s |",
        "|---" * 14 + "|",
    ]
    order = {case: i for i, case in enumerate(CASES)}
    for (case, n), lines in sorted(groups.items(), key=lambda g: (order[g[0][0]], g[0][1])):
        truth = lines[0]["truth"]
        error = np.array([line["raw"] for line in lines]) - truth
        se = np.array([line["std_error"] for line in lines])
        goal = max(GOAL_NATS, GOAL_SHARE * abs(truth))
        mean = lambda key: np.mean([line[key] for line in lines])  # noqa: B023, E731
        peer = "" if lines[0]["peer"] is None else f"{mean('peer') - truth:+.3f}"
        told = "met" if abs(error.mean()) <= goal else "**missed**"
        rows.append(
            f"| {case} | {n:,} | {len(lines)} | {truth:.4f} | {error.mean():+.4f} | "
            f"{error.std():.4f} | {se.mean():.4f} | {(np.abs(error) <= 2 * se).mean():.0%} | "
            f"{np.abs(error).max():.3f} | {goal:.3f} {told} | {mean('in_sample') - truth:+.3f} | "
            f"{mean('held_out') - truth:+.3f} | {peer} | {mean('seconds'):.1f} |"
        )
    TABLE.write_text("\n".join(rows) + "\n")
