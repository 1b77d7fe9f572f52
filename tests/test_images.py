"""Images: what the layers do to pixels, starting values, dequantization and its bounds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

import pushforward as pf
from laws import perturbed
from pushforward.core.errors import EvidenceError, KeyRequiredError, OptionError, ShapeError
from pushforward.densities import Pushforward, StandardNormal
from pushforward.nets.convolution import neighbours
from pushforward.transforms import (
    ActNorm,
    BoundedAffine,
    Chain,
    Coupling,
    Dequantize,
    ImageCoupling,
    MaskedAutoregressive,
    Scan,
    Sigmoid,
    bits_per_dimension,
    conv1x1,
    initialized,
    squeeze,
)


def test_neighbours_make_a_convolution(rng):
    """A product with the neighbourhoods is scipy's correlation, padded with zeros."""
    image, kernel = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 3, 3))
    want = sum(signal.correlate2d(i, k, "same") for i, k in zip(image, kernel, strict=True))
    taps = neighbours(jnp.asarray(image), 3)
    got = jnp.tensordot(kernel.transpose(1, 2, 0).ravel(), taps, 1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    batch = neighbours(jnp.stack([jnp.asarray(image)] * 2, -1), 3)
    np.testing.assert_array_equal(batch[..., 1], taps)


def test_squeezing_gives_a_checkerboard():
    shape = (2, 4, 6)
    colour = np.broadcast_to(np.indices((4, 6)).sum(0) % 2, shape)
    latent, dlogp = squeeze(shape).inverse(jnp.asarray(colour.ravel(), jnp.float32))
    np.testing.assert_array_equal(latent, np.repeat([0, 1], 24))
    assert dlogp == 0
    blocks, _ = squeeze((1, 4, 4)).inverse(jnp.arange(16.0))
    np.testing.assert_array_equal(blocks.reshape(4, 2, 2)[:, 0, 1], [2, 7, 3, 6])
    with pytest.raises(ShapeError, match="even"):
        squeeze((1, 3, 4))


def test_a_convolution_of_one_pixel_has_its_matrix_at_every_pixel(rng):
    """x = A z at each pixel, dlogp = −H·W·log|det A|."""
    with jax.enable_x64(True):
        shape = (3, 2, 4)
        layer = perturbed(conv1x1(shape, key=jax.random.key(1)), rng, 0.5)
        z = jnp.asarray(rng.normal(size=shape))
        unit = jnp.eye(3)
        zero = layer.transform.forward(jnp.zeros(3))[0]
        matrix = np.stack([layer.transform.forward(unit[i])[0] - zero for i in range(3)], 1)
        x, dlogp = layer.forward(z.ravel())
        want = np.einsum("ij,jhw->ihw", matrix, z) + np.asarray(zero)[:, None, None]
        np.testing.assert_allclose(x.reshape(shape), want, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(dlogp, -8 * np.linalg.slogdet(matrix)[1], rtol=1e-12)


def test_a_coupling_sees_as_far_as_its_kernels(rng):
    """Two layers of 3 × 3 kernels reach two pixels, in both directions, and no further."""
    shape = (2, 1, 9)
    coupling = ImageCoupling(shape, BoundedAffine(), key=jax.random.key(0), hidden=(16, 16))
    coupling = perturbed(coupling, rng, 0.3)
    x = jnp.asarray(rng.normal(size=18), jnp.float32)
    reach = np.asarray(jax.jacrev(lambda v: coupling.inverse(v)[0])(x))[9:, :9] != 0
    distance = np.abs(np.arange(9)[:, None] - np.arange(9))
    np.testing.assert_array_equal(reach, distance <= 2)


@pytest.mark.slow
def test_starting_values_standardize_each_layer(rng):
    """After `initialized`, each ActNorm's latent has mean zero and variance one per channel."""
    model = pf.models.glow(32, key=jax.random.key(0), shape=(2, 4, 4), layers=1, hidden=(4,))
    rows = 50 + 20 * rng.normal(size=(200, 32)) * np.repeat([1.0, 0.1], 16)
    with jax.enable_x64(True):
        model = perturbed(jax.tree.map(lambda v: jnp.asarray(v), model), rng, 0.05)
        before = model.transform
        after = initialized(before, rows)
        assert jax.tree.structure(after) == jax.tree.structure(before)
        x, seen = jnp.asarray(rows.T), 0
        for part in reversed(after.parts):
            for inner in reversed(_flat(part)):
                size = inner.dim
                x = x.at[:size].set(inner.inverse(x[:size])[0])
                if isinstance(inner, ActNorm):
                    values = np.asarray(x[:size].reshape(inner.loc.shape[0], -1))
                    np.testing.assert_allclose(values.mean(1), 0, atol=1e-6)
                    np.testing.assert_allclose(values.std(1), 1, rtol=1e-6)
                    seen += 1
        assert seen == 2
    again = initialized(ActNorm(2, 2), np.ones((5, 4)))
    assert np.isfinite(again.inverse(jnp.ones(4))[1])


def _flat(part):
    """Return the layers of one pixel set that a part is made of, without their `Leading`."""
    if isinstance(part, Scan):
        return _flat(part.unstack())
    if isinstance(part, Chain):
        return [layer for p in part.parts for layer in _flat(p)]
    return _flat(part.transform) if type(part).__name__ == "Leading" else [part]


def test_shapes_and_sizes_that_do_not_fit():
    key = jax.random.key(0)
    with pytest.raises(ShapeError, match="dim"):
        pf.models.glow(12, key=key, shape=(1, 4, 4))
    with pytest.raises(ShapeError):
        squeeze((0, 4, 4))
    with pytest.raises(OptionError, match="levels"):
        pf.models.realnvp_image(18, key=key, shape=(2, 3, 3), levels=1)
    for name in ("glow", "realnvp_image"):
        one = pf.models.build(name, 1, key=key, layers=1, hidden=(4,))
        assert np.isfinite(one.log_prob(np.zeros((3, 1)))).all()
    with pytest.raises(ShapeError, match="context"):
        Dequantize(2, 4, Coupling(2, BoundedAffine(), key=key))


def _model(noise, rng):
    flow = MaskedAutoregressive(2, BoundedAffine(), key=jax.random.key(0), hidden=(8,))
    chain = Chain([perturbed(flow, rng, 0.2), Sigmoid(), Dequantize(2, 3, noise)])
    return Pushforward(chain, StandardNormal(2))


def _masses(model):
    """Return the exact mass of each of the nine pictures, by Gauss-Legendre in its cell."""
    continuous = Pushforward(Chain(model.transform.parts[:-1]), model.density)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    t, w = (nodes + 1) / 2, weights / 2
    for _ in range(2):  # the density may end steeply at 0 and 1: nodes crowd at the cells' ends
        t, w = t * t * (3 - 2 * t), w * 6 * t * (1 - t)
    pictures = np.array(list(itertools.product(range(3), range(3))), float)
    grid = np.stack(np.meshgrid(t, t, indexing="ij"), -1).reshape(-1, 2)
    z = (pictures[:, None] + grid) / 3
    density = np.exp(np.asarray(continuous.log_prob(z)))
    return pictures, (density * np.outer(w, w).ravel()).sum(1) / 9


@pytest.mark.parametrize("variational", [False, True])
def test_the_bound_is_below_and_tightens(variational, rng):
    """elbo ≤ iwae ≤ log P, which is known by quadrature and sums to one; within 4 s.e."""
    with jax.enable_x64(True):
        noise = None
        if variational:
            noise = Coupling(2, BoundedAffine(), key=jax.random.key(1), context_dim=2, hidden=(8,))
            noise = perturbed(noise, rng, 0.1)
        model = _model(noise, rng)
        pictures, mass = _masses(model)
        np.testing.assert_allclose(mass.sum(), 1, rtol=1e-3)
        bound = model.elbo(pictures, key=jax.random.key(2), n=1000)
        tighter = model.iwae(pictures, key=jax.random.key(3), n=20_000)
        assert (bound.value <= np.log(mass) + 4 * bound.std_error).all()
        assert (bound.value <= tighter.value + 4 * bound.std_error).all()
        # The importance weights' mean is the mass itself, without bias.
        off = (tighter.value - np.log(mass)) / tighter.std_error
        assert (np.abs(off) < 5).all(), off
        drawn = np.asarray(model.sample(jax.random.key(4), 5000)) @ np.array([3, 1])
        counts = np.bincount(drawn.astype(int), minlength=9)
        assert (np.abs(counts - 5000 * mass) < 5 * np.sqrt(5000 * mass)).all()
        with pytest.raises(EvidenceError, match="elbo"):
            model.log_prob(pictures)


@pytest.mark.parametrize("variational", [False, True])
def test_a_pair_has_one_number(variational, rng):
    """inverse's draw goes back through forward to the same picture with the same dlogp."""
    with jax.enable_x64(True):
        noise = None
        if variational:
            noise = Coupling(3, BoundedAffine(), key=jax.random.key(1), context_dim=3, hidden=(8,))
            noise = perturbed(noise, rng, 0.3)
        layer = Dequantize(3, 256, noise)
        x = jnp.asarray(rng.integers(0, 256, (3, 200)), float)
        z, there = layer.inverse(x, key=jax.random.key(0))
        back, again = layer.forward(z)
        np.testing.assert_array_equal(back, x)
        # The noise is read back to 256 roundings, and matters by its distance to a cell's edge.
        noise_drawn = np.asarray(z * 256 - x)
        room = np.minimum(noise_drawn, 1 - noise_drawn).min(0)
        off_edges = room > 1e-12  # closer draws are moved to where float64 has room for them
        assert off_edges.mean() > 0.9
        assert (np.abs(np.asarray(there - again)) < 1e-11 / room)[off_edges].all()
        assert ((z > 0) & (z < 1)).all()
        with pytest.raises(KeyRequiredError):
            layer.inverse(x)


def test_no_float32_draw_leaves_its_cell():
    layer = Dequantize(2, 256)
    x = jnp.broadcast_to(jnp.array([[0.0], [255.0]]), (2, 200_000))
    z, _ = layer.inverse(x, key=jax.random.key(0))
    np.testing.assert_array_equal(layer.forward(z)[0], x)
    assert (z > 0).all()
    assert (z < 1).all()


def test_identity_noise_is_uniform(rng):
    """A net that says nothing gives the uniform noise back, and no term for it."""
    noise = Coupling(2, BoundedAffine(), key=jax.random.key(1), context_dim=2, hidden=(8,))
    x = jnp.asarray(rng.integers(0, 5, (2, 9)), float)
    plain, bent = (Dequantize(2, 5, n).inverse(x, key=jax.random.key(0)) for n in (None, noise))
    for a, b in zip(plain, bent, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_impossible_pictures():
    """Levels that do not exist have no mass; NaN stays NaN; other rows are as they were."""
    layer = Dequantize(2, 4)
    rows = np.array([[0, 3], [0.5, 1], [4, 0], [-1, 0], [np.nan, 0]], np.float32)
    z, dlogp = layer.inverse(jnp.asarray(rows.T), key=jax.random.key(0))
    np.testing.assert_allclose(dlogp, [-2 * np.log(4), -np.inf, -np.inf, -np.inf, np.nan], 1e-6)
    assert np.isfinite(z[:, :4]).all()
    _, outside = layer.forward(jnp.array([[0.2, 1.0, -0.1], [0.7, 0.5, 0.5]]))
    np.testing.assert_allclose(outside, [-2 * np.log(4), -np.inf, -np.inf], 1e-6)


def test_bits_per_dimension():
    """Uniform noise in the cells of a uniform law costs 8 bits a pixel; both ways agree."""
    assert bits_per_dimension(0.0, 12) == 8
    np.testing.assert_allclose(bits_per_dimension(12 * np.log(2), 12), 7)
    np.testing.assert_allclose(bits_per_dimension(-12 * np.log(256), 12, levels=1), 8, rtol=1e-6)


@pytest.mark.slow
def test_learning_a_bound(rng):
    """Fitted by its bound, a model of pictures beats the untrained one."""
    rows = np.clip(np.round(rng.normal(1.2, 0.5, (600, 2))), 0, 2)
    model = _model(None, rng)
    fitted = pf.fit(model, rows, key=jax.random.key(1), max_epochs=20, learning_rate=2e-2).model
    before, after = (m.elbo(rows, key=jax.random.key(2)).value.mean() for m in (model, fitted))
    assert after > before + 0.1
