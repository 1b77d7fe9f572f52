"""flowjax: its `transform` is data → latent here; `Invert` turns the others around."""

import sys
from types import SimpleNamespace

sys.path.append(sys.path.pop(0))  # this folder last: its file has the library's name

import equinox as eqx  # noqa: E402
import flowjax  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from common import net, part, run  # noqa: E402
from flowjax import bijections as b  # noqa: E402
from flowjax import distributions as d  # noqa: E402
from paramax import Parameterize  # noqa: E402

jax.config.update("jax_enable_x64", True)

KEY = jax.random.key(0)
SIZES = {"nn_width": 1, "nn_depth": 1}  # of their net, which the shared one replaces


def with_values(module, **values):
    """Replace fields of a module."""
    return eqx.tree_at(lambda m: [getattr(m, k) for k in values], module, list(values.values()))


def per_feature(build, *leaves):
    return b.Vmap(eqx.filter_vmap(build)(*leaves), in_axes=eqx.if_array(0))


def spline(p):
    def build(x, z, slopes):
        empty = b.RationalQuadraticSpline(knots=x.size - 2, interval=p.bound.item())
        return with_values(empty, x_pos=x, y_pos=z, derivatives=slopes)

    return per_feature(build, p.x_knots, p.z_knots, p.slopes)


def affine(p):
    return b.Invert(with_values(b.Affine(p.loc, jnp.ones_like(p.loc)), scale=p.scale))


def triangular(p):
    return b.TriangularAffine(p.loc, p.matrix)


def householder(p):
    return b.Invert(b.Chain([b.Householder(vector) for vector in p.vectors[::-1]]))


def planar(slope=None):
    def build(p):
        # u such that their constraint, wᵀu → log(1 + softplus wᵀu) − 1, makes the direction of it.
        w, product = p.weight, p.weight @ p.direction
        softplus = jnp.expm1(1 + product)
        u = p.direction + (jnp.log(jnp.expm1(softplus)) - product) * w / (w @ w)
        layer = b.Planar(KEY, dim=w.size, negative_slope=slope)
        return b.Invert(with_values(layer, params=jnp.concatenate([w, u, p.bias[None]])))

    return build


def concatenated(p):
    return b.Invert(b.Concatenate([triangular(p), b.Exp((p.x.shape[1] - len(p.loc),))]))


def raw_affine(p):
    """Return z = (x − μ)/σ with free μ and raw logarithm of σ."""
    scale = Parameterize(lambda raw: jnp.exp(3 * jnp.tanh(raw / 3)), jnp.zeros(()))
    return b.Invert(with_values(b.Affine(), scale=scale))


def raw_spline(p):
    bound = p.bound.item()
    least = 2 * bound * 1e-3
    return b.RationalQuadraticSpline(knots=n_bins(p) - 1, interval=bound, min_width=least)


def n_bins(p):
    return (p.b2.shape[1] + 1) // 3


def conditioner(p, template):
    """Return the shared net; a spline's slopes at the ends are left at one."""

    def output(x):
        raw = net(p, x)
        if template is raw_spline:
            inner = 2 * n_bins(p)
            raw = jnp.concatenate([raw[:, :inner], jnp.pad(raw[:, inner:], ((0, 0), (1, 1)))], 1)
        return raw.ravel()

    return output


def coupling(template):
    def build(p):
        sizes = {"untransformed_dim": int(p.kept), "dim": p.x.shape[1]} | SIZES
        layer = b.Coupling(KEY, transformer=template(p), **sizes)
        return with_values(layer, conditioner=conditioner(p, template))

    return build


def autoregressive(template):
    def build(p):
        layer = b.MaskedAutoregressive(KEY, transformer=template(p), dim=p.x.shape[1], **SIZES)
        return with_values(layer, masked_autoregressive_mlp=conditioner(p, template))

    return build


def block_autoregressive(p):
    """Theirs is the net, without the gate; that of the first features gives each one's slope."""
    weights, biases = (p.w0, p.w1, p.w2), (p.b0, p.b1, p.b2)
    dim, units = len(p.gate), len(p.b0) // len(p.gate)

    def of_first(k):
        whole = b.BlockAutoregressiveNetwork(
            KEY, dim=k, depth=2, block_dim=units, activation=b.Tanh()
        )
        parts = [w[: len(w) * k // dim, : w.shape[1] * k // dim] for w in weights]
        parts += [bias[: bias.size * k // dim] for bias in biases]
        return eqx.tree_at(
            lambda m: [lin.weight for lin, _ in m.layers] + [lin.bias for lin, _ in m.layers],
            whole,
            parts,
        )

    nets = [of_first(k) for k in range(1, dim + 1)]

    def transform(x):
        pairs = [m.transform_and_log_det(x[: k + 1]) for k, m in enumerate(nets)]
        slopes = jnp.exp(jnp.diff(jnp.stack([log_det for _, log_det in pairs]), prepend=0.0))
        z = p.scale * ((1 - p.gate) * x + p.gate * pairs[-1][0])
        return z, jnp.log(p.scale * (1 - p.gate + p.gate * slopes)).sum()

    return SimpleNamespace(transform_and_log_det=transform)


def flow(p):
    layers = [
        autoregressive(raw_spline)(part(p, "spline")),
        b.Flip((p.x.shape[1],)),
        autoregressive(raw_affine)(part(p, "affine")),
    ]
    return d.Transformed(d.StandardNormal((p.x.shape[1],)), b.Invert(b.Chain(layers)))


def gaussian_mixture(p):
    return d.VmapMixture(eqx.filter_vmap(d.Normal)(p.loc, p.scale), jnp.exp(p.logits))


def full_gaussian_mixture(p):
    parts = eqx.filter_vmap(d.MultivariateNormal)(p.loc, p.factors @ p.factors.mT)
    return d.VmapMixture(parts, jnp.exp(p.logits))


def evaluate(function, direction, rows):
    if isinstance(function, d.AbstractDistribution):
        return function.log_prob(rows), 0.0
    name = "transform" if direction == "inverse" else "inverse"
    return jax.jit(jax.vmap(getattr(function, f"{name}_and_log_det")))(rows)


def turned_around(kind):
    return lambda p: b.Invert(kind((p.x.shape[1],)))


CASES = {
    "rational_quadratic_spline": spline,
    "affine": affine,
    "bounded_affine": affine,
    "shift": lambda p: b.Invert(b.Loc(p.loc)),
    "exp": turned_around(b.Exp),
    "softplus": turned_around(b.SoftPlus),
    "sigmoid": turned_around(b.Sigmoid),
    "tanh": turned_around(b.Tanh),
    "log": lambda p: b.Exp((p.x.shape[1],)),
    "power": lambda p: b.Invert(b.Power(p.exponent.item(), (p.x.shape[1],))),
    "triangular": lambda p: b.Invert(triangular(p)),
    "householder": householder,
    "permutation": lambda p: b.Invert(b.Permute(p.order)),
    "planar_tanh": planar(),
    "planar_leaky_relu": planar(0.1),
    "concatenated": concatenated,
    "additive_coupling": coupling(lambda p: b.Invert(b.Loc(jnp.zeros(())))),
    "affine_coupling": coupling(raw_affine),
    "spline_coupling": coupling(raw_spline),
    "affine_autoregressive": autoregressive(raw_affine),
    "spline_autoregressive": autoregressive(raw_spline),
    "block_autoregressive": block_autoregressive,
    "student_t": lambda p: d.StudentT(p.df),
    "logistic": lambda p: d.Logistic(jnp.zeros(p.x.shape[1])),
    "gaussian": lambda p: d.MultivariateNormal(p.loc, p.matrix @ p.matrix.T),
    "gaussian_mixture": gaussian_mixture,
    "full_gaussian_mixture": full_gaussian_mixture,
    "flow": flow,
}

run(CASES, evaluate, jnp.asarray, flowjax.__version__, {"planar_tanh": "forward"})
