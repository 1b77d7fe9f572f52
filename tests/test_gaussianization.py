"""Layers found greedily: what each marginal map is, what the stack's density is worth."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import ndtri, ndtri_exp

import pushforward as pf
from pushforward import native
from pushforward.core.errors import DataError, FitError, OptionError, ShapeError
from pushforward.core.numerics import log_ndtr_inverse, normal_hazard
from pushforward.fitting.greedy import find_layers
from pushforward.fitting.grid import Grid, smoothed
from pushforward.fitting.knots import evaluate_knots
from pushforward.fitting.layers import HostLayer, HostLengths, gaussianization
from pushforward.fitting.lengths import count_lengths, radial_knots
from pushforward.fitting.marginals import Counted, fit_marginals, tail_shapes
from pushforward.fitting.memory import BlocksInMemory
from pushforward.transforms import Gaussianization, GreedyPlan
from pushforward.transforms.gaussianization import MARGINALS

LAWS = {
    "normal": (stats.norm(), 0.01),
    "uniform": (stats.uniform(-1.7, 3.4), 0.02),
    "student": (stats.t(4), 0.03),
    "exponential": (stats.expon(-1), 0.02),
    "laplace": (stats.laplace(), 0.02),
}
"""Laws of a column, and nats a row that the map of 4,000 rows may cost on fresh ones."""


def two_dimensional(name, rng, n):
    if name == "gaussian":
        g = rng.standard_normal((n, 2))
        return np.stack([g[:, 0], 0.8 * g[:, 0] + 0.6 * g[:, 1]], 1), -2.3271
    if name == "square":
        u = rng.uniform(-1, 1, (n, 2)) / np.sqrt(2)
        return np.stack([u[:, 0] - u[:, 1], u[:, 0] + u[:, 1]], 1), -np.log(4)
    if name == "student":
        t = rng.standard_normal((n, 2)) / np.sqrt(rng.chisquare(3, n) / 3)[:, None]
        return t, -3.5045
    radius, angle = rng.normal(1, 0.1, n), rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), -0.9492


PLANE = ("gaussian", "square", "student", "ring")


def knots_of(values, method="adaptive", **options):
    grids = (Grid(), Grid(warped=True))
    counted = [Counted(grid, grid.count(values[None])) for grid in grids]
    return fit_marginals(counted, float(len(values)), method=method, **options)[0]


def test_logarithms_of_the_normal():
    log_p = -np.concatenate([[np.log(2)], np.geomspace(0.7, 1e10, 200)])
    t = np.linspace(-9, 30, 400)
    with jax.enable_x64(True):
        z = np.asarray(log_ndtr_inverse(jnp.asarray(log_p)))
        hazard = np.asarray(normal_hazard(jnp.asarray(t)))
        slope = jax.vmap(jax.grad(log_ndtr_inverse))(jnp.asarray(log_p))
    np.testing.assert_allclose(z, ndtri_exp(log_p), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(hazard, np.exp(stats.norm.logpdf(t) - stats.norm.logsf(t)), 1e-11)
    near = log_p > -1e4  # beyond, the comparison itself cancels
    np.testing.assert_allclose(slope[near], np.exp(log_p - stats.norm.logpdf(z))[near], rtol=1e-6)
    single = np.asarray(log_ndtr_inverse(jnp.asarray(log_p, jnp.float32)))
    np.testing.assert_allclose(single, ndtri_exp(log_p), rtol=1e-5, atol=1e-7)


def test_smoothing_is_the_kernel_estimate(rng):
    """What sums over all rows say, each moved to the middle of its cell."""
    values = rng.normal(0, 1.5, 300)
    grid, places = Grid(), -8 + 16 / 4096 * (np.arange(4096) + 0.5)
    cdf, density = smoothed(grid.count(values[None]), 0.3)
    on_grid = places[((values + 8) * 256).astype(int)]
    t = (places[::97, None] - on_grid) / 0.3
    np.testing.assert_allclose(cdf[0, ::97], stats.norm.cdf(t).mean(1), atol=1e-12)
    np.testing.assert_allclose(density[0, ::97], stats.norm.pdf(t).mean(1) / 0.3, atol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_a_column_costs_little(name, rng):
    law, most = LAWS[name]
    train, fresh = (law.rvs(4000, random_state=rng) for _ in range(2))
    z, log_slope = evaluate_knots(fresh, *knots_of(train))
    assert (law.logpdf(fresh) - stats.norm.logpdf(z) - log_slope).mean() < most


@pytest.mark.parametrize("method", MARGINALS)
@pytest.mark.parametrize("name", LAWS)
def test_every_marginal_map_makes_columns_normal(name, method, rng):
    """A Kolmogorov–Smirnov distance that n rows would exceed by chance once in 10⁵."""
    law = LAWS[name][0]
    knots = knots_of(law.rvs(4000, random_state=rng), method)
    assert all((np.diff(part) > 0).all() for part in knots[:2])
    z, log_slope = evaluate_knots(law.rvs(4000, random_state=rng), *knots)
    assert stats.kstest(z, "norm").statistic < 2.5 / np.sqrt(4000) + 0.01
    x = np.linspace(law.ppf(0.001), law.ppf(0.999), 997)
    h = 1e-6 * (x[-1] - x[0])
    difference = (evaluate_knots(x + h, *knots)[0] - evaluate_knots(x - h, *knots)[0]) / (2 * h)
    np.testing.assert_allclose(np.log(difference), evaluate_knots(x, *knots)[1], atol=2e-3)


def test_a_normal_column_stays_a_line(rng):
    """Whatever bandwidth would be taken, its factor takes the kernel's own width back."""
    kept = [len(knots_of(rng.normal(3, 2, 1000))[0]) for _ in range(20)]
    assert np.mean(np.array(kept) == 2) > 0.6


def test_no_kernel_is_chosen_by_rows_it_holds(rng):
    """Rows left out: a column of noise does not get the finest bandwidth."""
    train, fresh = rng.standard_normal((2, 200))
    z, log_slope = evaluate_knots(fresh, *knots_of(train))
    assert (stats.norm.logpdf(fresh) - stats.norm.logpdf(z) - log_slope).mean() < 0.05


@pytest.mark.parametrize(
    "column",
    [np.repeat([0.0, 1.0], 500), np.r_[np.zeros(900), np.linspace(1, 2, 100)], np.arange(12.0)],
    ids=["two_values", "mostly_ties", "few_rows"],
)
@pytest.mark.parametrize("method", MARGINALS)
def test_ties_and_few_rows(column, method):
    x, z, slopes = knots_of(column, method)
    assert (np.diff(x) > 0).all()
    assert (np.diff(z) > 0).all()
    assert np.isfinite(slopes).all()
    assert (slopes > 0).all()


def test_weights_are_repetitions(rng):
    rows, weights = rng.standard_t(3, (500, 2)), rng.integers(1, 4, 500).astype(float)
    plan, repeated = GreedyPlan(layers=3), np.repeat(rows, weights.astype(int), axis=0)
    weighted = BlocksInMemory(rows, weights)
    weighted.effective = float(len(repeated))  # as many rows as the repeated ones claim to be
    twice = BlocksInMemory(repeated, np.ones(len(repeated)))
    weighted.some = twice.some  # the same robust scale
    for layer, other in zip(
        find_layers(weighted, plan, np.random.default_rng(0)).layers,
        find_layers(twice, plan, np.random.default_rng(0)).layers,
        strict=True,
    ):
        for knots, others in zip(layer.knots, other.knots, strict=True):
            for part, another in zip(knots, others, strict=True):
                np.testing.assert_allclose(part, another, rtol=1e-6, atol=1e-9)


def stack(rows, plan=GreedyPlan(layers=12), rng=None):  # noqa: B008
    rng = np.random.default_rng(0) if rng is None else rng
    return find_layers(BlocksInMemory(rows, np.ones(len(rows))), plan, rng).layers


@pytest.mark.parametrize("tails", ["gaussian", "pareto", "clip"])
def test_host_and_transform_agree(tails, rng):
    rows = np.concatenate([rng.standard_t(2, (1000, 3)), rng.normal(5, 0.1, (200, 3))])
    layers = stack(rows, GreedyPlan(5, tails=tails))
    far = np.concatenate([rows, rng.normal(0, 30, (200, 3))]).T
    z, total = far, 0.0
    for layer in layers:
        z, change = layer.move(z)
        total = total + change
    with jax.enable_x64(True):
        found = gaussianization(3, GreedyPlan(5, tails=tails), layers)
        again, dlogp = found.inverse(jnp.asarray(far))
        back, same = found.forward(again)
    inside = np.isfinite(total)
    assert inside.all() == (tails != "clip")
    np.testing.assert_array_equal(np.isfinite(dlogp), inside)
    np.testing.assert_allclose(dlogp[inside], total[inside], atol=1e-8)
    np.testing.assert_allclose(again[:, inside], z[:, inside], atol=1e-8)
    np.testing.assert_allclose(back[:, inside], far[:, inside], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(same[inside], dlogp[inside], atol=1e-8)
    # What scan rounds to float32 is the same map.
    single = gaussianization(3, GreedyPlan(5, tails=tails), layers)
    near = np.abs(z).max(0) < 5
    found = single.inverse(jnp.asarray(rows.T[:, near[: len(rows)]], jnp.float32))[1]
    np.testing.assert_allclose(found, total[: len(rows)][near[: len(rows)]], atol=0.02)


@pytest.mark.parametrize("name", PLANE)
def test_mass_is_one_at_every_depth(name, rng):
    layers = stack(two_dimensional(name, rng, 2000)[0])
    # Far out by steps that grow: x = sinh(s), dx = cosh(s) ds.
    s = np.linspace(-6, 6, 601)
    grid = np.stack(np.meshgrid(np.sinh(s), np.sinh(s), indexing="ij")).reshape(2, -1)
    weight = np.outer(np.cosh(s), np.cosh(s)).ravel() * (s[1] - s[0]) ** 2
    z, total = grid, np.zeros(grid.shape[1])
    for depth, layer in enumerate(layers):
        z, change = layer.move(z)
        total += change
        mass = (weight * np.exp(total + stats.norm.logpdf(z).sum(0))).sum()
        assert abs(mass - 1) < 0.01, f"{mass} after {depth + 1} layers"


@pytest.mark.parametrize("recipe", ["rbig", "sinf"])
@pytest.mark.parametrize("name", PLANE)
def test_held_out_density(name, recipe, rng):
    rows, truth = two_dimensional(name, rng, 10_000)
    fresh, _ = two_dimensional(name, rng, 20_000)
    model = pf.models.build(recipe, 2, key=jax.random.key(0))
    fitted = pf.fit(model, rows, key=jax.random.key(1)).model
    found = np.asarray(fitted.log_prob(fresh), float)
    # Sliced directions rest at a local maximum now and then: 0.03 to 0.06 on the square.
    most = 0.05 if recipe == "rbig" else 0.08
    # A law's own mean log-density over the fresh rows is known to four of its errors.
    assert truth - found.mean() < most + 4 * found.std() / np.sqrt(len(found))
    drawn = np.asarray(fitted.sample(jax.random.key(2), 5000))
    assert np.isfinite(drawn).all()


def test_lengths_become_normal(rng):
    """One step for a spherical law in any dimension, and none for a normal one."""
    x = rng.standard_normal((5, 20_000))
    heavy = x / np.sqrt(rng.chisquare(8, 20_000) / 8)
    scores = ndtri(stats.chi(5).cdf(np.linalg.norm(x, axis=0)))
    off = count_lengths(x) - Grid().count(scores[None])
    assert np.abs(off).sum() <= 2  # a row on an edge
    counted = [Counted(Grid(), count_lengths(rows)) for rows in (x, heavy)]
    same = radial_knots(counted[0], 2e4, 5, "adaptive")
    if same is not None:  # by chance
        z, change = HostLengths(same).move(x)
        assert (
            abs((change + stats.norm.logpdf(z).sum(0) - stats.norm.logpdf(x).sum(0)).mean()) < 2e-3
        )
    knots = radial_knots(counted[1], 2e4, 5, "adaptive")
    z, change = HostLengths(knots).move(heavy)
    assert stats.kstest(np.linalg.norm(z, axis=0), stats.chi(5).cdf).statistic < 0.03
    found = change + stats.norm.logpdf(z).sum(0)
    truth = stats.multivariate_t(np.zeros(5), np.eye(5), 8).logpdf(heavy.T)
    assert abs((truth - found).mean()) < 0.02


def test_heavy_tails_shared_by_ten_columns(rng):
    """What rotations alone miss by 0.33 nats, and without any of this by 0.5."""
    law = stats.multivariate_t(np.zeros(10), np.eye(10), 3)
    train, fresh = (law.rvs(10_000, random_state=rng) for _ in range(2))
    model = pf.models.build("rbig", 10, key=jax.random.key(0))
    fitted = pf.fit(model, train, key=jax.random.key(1)).model
    truth = law.logpdf(fresh)
    gap = truth - np.asarray(fitted.log_prob(fresh), float)
    assert -3 * gap.std() / 100 < gap.mean() < 0.25


def test_rows_far_away_stay_in_sight(rng):
    """A hundred layers do not multiply a far row out of sight."""
    rows = rng.standard_t(3, (3000, 4))
    layers = stack(rows, GreedyPlan(100))
    far = np.array([[40.0, -40.0, 0.0, 5.0], [0.0, 0.0, 40.0, 0.0]]).T
    z = far
    for layer in layers:
        z, _ = layer.move(z)
    assert np.abs(z).max() < 40


def test_validation_rows_only_choose_how_many(rng):
    rows, held = rng.standard_t(4, (600, 2)), rng.standard_t(4, (100, 2))
    plan = GreedyPlan(8)
    found = [
        find_layers(
            BlocksInMemory(rows, np.ones(600), other, np.ones(100)),
            plan,
            np.random.default_rng(0),
            patience=100,
        )
        for other in (held, 3 * held)
    ]
    fewest = min(len(each.layers) for each in found)
    assert fewest > 0
    for layer, other in zip(found[0].layers[:fewest], found[1].layers[:fewest], strict=True):
        np.testing.assert_array_equal(layer.basis, other.basis)
        for knots, others in zip(layer.knots, other.knots, strict=True):
            np.testing.assert_array_equal(knots[1], others[1])
    best = int(np.argmin(found[0].history["validation"])) + 1
    assert found[0].tried == best


def test_given_validation_rows_are_not_learned(rng):
    """With a share set aside, all rows are learned in the end; with given ones, never."""
    rows, held = rng.standard_t(4, (600, 2)), rng.normal(20, 1, (300, 2))
    model = pf.models.build("rbig", 2, key=jax.random.key(0))
    given = pf.fit(model, rows, key=jax.random.key(1), validation=held).model
    alone = pf.fit(model, rows, key=jax.random.key(1), validation=0.0, max_epochs=2).model
    both = pf.fit(model, np.concatenate([rows, held]), key=jax.random.key(1)).model
    assert given.log_prob(held).mean() < -20
    assert alone.log_prob(held).mean() < -20
    assert both.log_prob(held).mean() > -8


def test_same_key_same_model(rng):
    rows = rng.standard_t(4, (300, 3))
    model = pf.models.build("sinf", 3, key=jax.random.key(0))
    one, two = (pf.fit(model, rows, key=jax.random.key(5)).model for _ in range(2))
    np.testing.assert_array_equal(one.log_prob(rows), two.log_prob(rows))


def test_what_is_asked_for_is_checked(rng):
    rows = rng.standard_normal((50, 2))
    for options in ({"rotation": "spun"}, {"layers": 0}, {"damping": 1.0}, {"rotation": "dct"}):
        with pytest.raises(OptionError):
            pf.models.build("rbig", 2, key=jax.random.key(0), **options)
    with pytest.raises(OptionError, match="context_dim"):
        pf.models.build("rbig", 2, key=jax.random.key(0), context_dim=1)
    model = pf.models.build("rbig", 2, key=jax.random.key(0))
    with pytest.raises(DataError, match="single value"):
        pf.fit(model, np.stack([rows[:, 0], np.ones(50)], 1), key=jax.random.key(0))
    with pytest.raises(OptionError, match="no gradient"):
        pf.fit(model, rows, key=jax.random.key(0), objective=pf.fitting.negative_log_likelihood)
    within = dataclasses.replace(model, density=pf.densities.StudentT(2))
    with pytest.raises(OptionError, match="standard normal"):
        pf.fit(within, rows, key=jax.random.key(0))


def test_greedy_and_trained_layers_mix(rng):
    """Found layers stand still while a flow between them and the base learns the rest."""
    rows, _ = two_dimensional("ring", rng, 2000)
    start = pf.models.build("rbig", 2, key=jax.random.key(0), layers=1)
    greedy = pf.fit(start, rows, key=jax.random.key(1), validation=0.0).model
    flow = pf.models.build("nsf", 2, key=jax.random.key(2), layers=2, hidden=(16,))
    chain = pf.transforms.Chain([flow.transform, greedy.transform])
    both = pf.densities.Pushforward(chain, flow.density)
    learned = pf.fit(both, rows, key=jax.random.key(3), max_epochs=20).model
    assert learned.log_prob(rows).mean() > greedy.log_prob(rows).mean() + 0.1
    for old, new in zip(
        jax.tree.leaves(greedy.transform),
        jax.tree.leaves(learned.transform.parts[1]),
        strict=True,
    ):
        np.testing.assert_array_equal(old, new)


def test_one_column_and_more_columns_than_rows(rng):
    for shape in ((200, 1), (20, 30)):
        rows = rng.standard_normal(shape)
        model = pf.models.build("rbig", shape[1], key=jax.random.key(0), layers=5)
        fitted = pf.fit(model, rows, key=jax.random.key(1)).model
        assert np.isfinite(fitted.log_prob(rng.standard_normal(shape))).all()


def test_what_rounding_would_spoil_is_refused(rng):
    """Values on few points, on a plane, or far from zero have no density that float32 can hold."""
    for rows in (
        rng.integers(0, 3, (500, 2)).astype(float),
        rng.standard_normal((500, 1)) @ np.array([[1.0, 1.0, 2.0]]),
        1e-3 * rng.standard_normal((500, 2)) + 1e4,
    ):
        model = pf.models.build("rbig", rows.shape[1], key=jax.random.key(0), layers=6)
        try:
            fitted = pf.fit(model, rows, key=jax.random.key(1), validation=0.0)
        except FitError:
            continue
        found = np.asarray(fitted.model.log_prob(rows), float)
        assert abs(np.median(found) + min(fitted.history["train"])) < 3
    model = pf.models.build("rbig", 3, key=jax.random.key(0), tails="clip", layers=4)
    rows = rng.standard_normal((500, 3))
    rows[7] = [1e4, 0, 0]
    with pytest.raises(FitError, match="finite loss"):
        pf.fit(model, rows, key=jax.random.key(1), validation=0.0)
    with pytest.raises(ShapeError, match="validation"):
        pf.fit(model, rows[:7], key=jax.random.key(1), validation=rows[8:, :2])


def test_images_by_cosines(rng):
    image = rng.standard_normal((300, 16)).cumsum(1)
    model = pf.models.build(
        "rbig", 16, key=jax.random.key(0), rotation="dct", shape=(1, 4, 4), layers=5
    )
    fitted = pf.fit(model, image, key=jax.random.key(1)).model
    assert np.isfinite(fitted.log_prob(image)).all()


@pytest.mark.parametrize("recipe", ["rbig", "sinf"])
def test_tables(recipe, rng, tmp_path):
    n = 600
    kind = rng.choice(["a", "b"], n)
    size = np.where(kind == "a", 0.0, 3.0) + rng.gamma(2.0, size=n)
    table = pd.DataFrame(
        {
            "kind": kind,
            "size": size,
            "count": rng.poisson(30, n),
            "other": size**2 + rng.normal(size=n),
        }
    )
    face = pf.DensityEstimator(recipe, random_state=0).fit(table[:500])
    assert np.isfinite(face.score_samples(table[500:])).all()
    plain = pf.DensityEstimator("gaussian", random_state=0).fit(table[:500])
    assert face.score(table[500:]) > plain.score(table[500:]) + 0.2
    assert len(face.sample(10, random_state=0)) == 10
    face.save(tmp_path / "m")
    np.testing.assert_array_equal(
        pf.load(tmp_path / "m").score_samples(table), face.score_samples(table)
    )


def test_tail_shapes(rng):
    """A t law's tail has one over its degrees of freedom; a level one ends where rows do."""
    values = stats.t(3).rvs(100_000, random_state=rng)
    counted = Counted(Grid(warped=True), Grid(warped=True).count(values[None]))
    knots = fit_marginals([counted], 1e5, tail_rows=2000)
    _, shapes = tail_shapes(counted, knots, "pareto")
    np.testing.assert_allclose(shapes, 1 / 3, atol=0.16)  # three errors, and the threshold's bias
    model = pf.models.build("rbig", 1, key=jax.random.key(0), tails="clip", layers=1)
    rows = rng.uniform(0, 1, (5000, 1))
    fitted = pf.fit(model, rows, key=jax.random.key(1)).model
    assert fitted.support == "bounded"
    found = fitted.log_prob(np.array([[-0.1], [0.5], [1.1]]))
    np.testing.assert_array_equal(np.isfinite(found), [False, True, False])
    drawn = np.asarray(fitted.sample(jax.random.key(2), 2000))
    assert (drawn.min(), drawn.max()) == pytest.approx((0, 1), abs=0.01)


def test_an_open_layer_is_the_identity(rng):
    x = jnp.asarray(rng.standard_normal((2, 5)), jnp.float32)
    z, dlogp = Gaussianization(2).inverse(x)
    np.testing.assert_array_equal(z, x)
    np.testing.assert_array_equal(dlogp, 0)
    assert (
        HostLayer(np.eye(1), [(np.array([0.0, 1]), np.array([0.0, 1]), np.ones(2))]).tails is None
    )


@pytest.mark.parametrize("warped", [False, True])
def test_native_loops_do_what_numpy_does(warped, rng, monkeypatch):
    """Inside, on every knot, beyond the last, and far away."""
    knots = knots_of(rng.standard_t(2, 3000))
    x = np.concatenate([rng.standard_t(2, 3000), knots[0], [-1e6, 1e6, 0.0]])
    weights, grid = rng.uniform(0.1, 3, len(x)), Grid(warped)
    ways = []
    for there in (True, False):
        monkeypatch.setattr("pushforward.fitting.knots.serves", lambda v, is_it=there: is_it)
        monkeypatch.setattr("pushforward.fitting.grid.serves", lambda v, is_it=there: is_it)
        if there and not native.is_there():
            pytest.skip("no native code")
        counts = grid.count(x[None]), grid.count(x[None], weights)
        ways.append((*evaluate_knots(x, *knots), *counts))
    for found, same in zip(*ways, strict=True):
        np.testing.assert_allclose(found, same, rtol=1e-12, atol=1e-12)


def test_blocks_and_their_number_do_not_matter(rng, monkeypatch):
    """Sums in the order of the blocks, whoever takes them: equal bits on one thread and three."""
    rows, weights = rng.standard_t(3, (5000, 3)) @ rng.normal(size=(3, 3)), np.ones(5000)
    found = []
    for size, threads in ((1024, 1), (1024, 3), (2**17, 1)):
        monkeypatch.setattr("pushforward.fitting.blocks._BLOCK_ROWS", (size, size))
        monkeypatch.setattr("pushforward.fitting.threads.cores", lambda threads=threads: threads)
        blocks = BlocksInMemory(rows, weights, rows[:100], weights[:100])
        found.append(find_layers(blocks, GreedyPlan(6), np.random.default_rng(0), patience=6))
    for one, three in zip(found[0].layers, found[1].layers, strict=True):
        np.testing.assert_array_equal(one.basis, three.basis)
        for knots, same in zip(one.knots, three.knots, strict=True):
            assert all(map(np.array_equal, knots, same))
    assert found[0].history == found[1].history
    np.testing.assert_allclose(found[0].history["train"], found[2].history["train"], atol=1e-6)
