"""Models on disk: the same numbers back, and nothing else accepted."""

import json
import os
import signal
import subprocess
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pushforward as pf
from cases import CASES, MODELS
from laws import perturbed, points
from pushforward.core.errors import ModelFileError, OptionError, OutputError
from pushforward.store import describe, files
from pushforward.store.registry import NAMES, class_of

LOADED = ["gaussian", "maf", "nsf_context", "nsf_coupling", "nsf_student_t"]

NEW_PROCESS = """
import sys, json, numpy as np, pushforward as pf
for name in sys.argv[2:]:
    x = np.load(f"{sys.argv[1]}/{name}.npz")
    context = x["context"] if "context" in x else None
    model = pf.load(f"{sys.argv[1]}/{name}")
    np.save(f"{sys.argv[1]}/{name}-out.npy", model.log_prob(x["x"], context))
"""


def test_loaded_in_a_new_process_is_the_same(tmp_path, rng):
    expected = {}
    for name in LOADED:
        case = MODELS[name]
        model = perturbed(case.make(jax.random.key(0)), rng, 0.1)
        x, context = (None if v is None else np.asarray(v).T for v in points(case, rng, 9))
        pf.save(model, tmp_path / name)
        np.savez(tmp_path / f"{name}.npz", x=x, **({} if context is None else {"context": context}))
        expected[name] = np.asarray(model.log_prob(x, context))
    environment = {**os.environ, "PUSHFORWARD_TYPECHECK": "0"}
    command = [sys.executable, "-c", NEW_PROCESS, str(tmp_path), *LOADED]
    subprocess.run(command, check=True, env=environment)
    for name, want in expected.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}-out.npy"), want)


@pytest.mark.parametrize("name", list(CASES))
def test_every_case_comes_back(name, tmp_path):
    thing = CASES[name].make(jax.random.key(0))
    if not CASES[name].saves:
        with pytest.raises(OptionError, match=r"the function cases\.\w+\.\w+ in a model to save"):
            pf.save(thing, tmp_path / "m")
        assert not (tmp_path / "m").exists()
        return
    pf.save(thing, tmp_path / "m")
    again = pf.load(tmp_path / "m")
    assert jax.tree.structure(again) == jax.tree.structure(thing)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(thing), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    before, after = (jax.tree.structure(pf.partition(m)[0]) for m in (thing, again))
    assert before == after


def test_registry_holds_every_module():
    for name in NAMES:
        assert class_of(name).__name__ == name.split(".")[1]
    ours = {
        cls.__name__
        for cls in _subclasses(eqx.Module)
        if cls.__module__.startswith("pushforward.")
        and cls.__module__.split(".")[1] in ("nets", "transforms", "densities", "tables")
        and not getattr(cls, "__abstractmethods__", None)
    }
    assert ours <= {name.split(".")[1] for name in NAMES}


def _subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


@pytest.fixture(scope="module")
def estimator():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    return pf.DensityEstimator("gaussian", random_state=0, schema={"x0": {"low": -99.0}}).fit(rows)


def test_estimator_comes_back(estimator, tmp_path, rng):
    estimator.save(tmp_path / "m")
    again = pf.load(tmp_path / "m")
    rows = rng.normal(size=(7, 2))
    np.testing.assert_array_equal(again.p_values(rows), estimator.p_values(rows))
    np.testing.assert_array_equal(again.sample(3, 1), estimator.sample(3, 1))
    assert again.card_ == estimator.card_
    assert again.get_params() == estimator.get_params()
    found = describe(tmp_path / "m")
    assert found["card"]["rows"] == 200
    assert found["schema"]["columns"][0]["low"] == -99.0
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "SHA256SUMS",
        "model.json",
        "params.safetensors",
    ]


@pytest.mark.parametrize("file", ["model.json", "params.safetensors", "SHA256SUMS"])
def test_damage_is_refused(estimator, file, tmp_path, rng):
    estimator.save(tmp_path / "m")
    path = tmp_path / "m" / file
    data = bytearray(path.read_bytes())
    data[int(rng.integers(len(data)))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        pf.load(tmp_path / "m")
    path.unlink()
    with pytest.raises(ModelFileError, match="exactly"):
        pf.load(tmp_path / "m")
    with pytest.raises(ModelFileError):
        pf.load(tmp_path / "nothing")


def _rewrite(folder, change, number=""):
    """Change the structure and make the sums right again: only the content is wrong.

    `number` takes the place of the text NUMBER, as it stands.
    """
    import hashlib

    document = json.loads((folder / "model.json").read_text())
    change(document)
    (folder / "model.json").write_text(json.dumps(document).replace('"NUMBER"', number))
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("model.json", "params.safetensors")
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=2), "schema version 2"),
        (lambda d: d["model"].update({"class": "os.system"}), "os.system"),
        (lambda d: d["model"].update({"class": "numpyro.Trace_ELBO"}), "Trace_ELBO"),
        (lambda d: d["model"]["fields"].pop("density"), "fields"),
        (lambda d: d["model"]["fields"].update(density={"array": "a0"}), "entry"),
        (lambda d: d["model"].update(fields=[]), "entry"),
        (lambda d: d.pop("model"), "no entry"),
    ],
)
def test_wrong_content_is_refused(change, message, tmp_path):
    pf.save(MODELS["nsf"].make(jax.random.key(0)), tmp_path / "m")
    _rewrite(tmp_path / "m", change)
    with pytest.raises(ModelFileError, match=message):
        pf.load(tmp_path / "m")


def test_a_smuggled_file_is_refused(estimator, tmp_path):
    estimator.save(tmp_path / "m")
    (tmp_path / "m" / "extra.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelFileError, match=r"extra\.pkl"):
        pf.load(tmp_path / "m")


class Mine(eqx.Module):
    value: float = 1.0


def test_strangers_are_refused_by_name(tmp_path):
    with pytest.raises(OptionError, match="Mine"):
        pf.save(Mine(), tmp_path / "m")
    with pytest.raises(OptionError, match="function"):
        pf.save({"f": lambda x: x}, tmp_path / "m")
    with pytest.raises(OptionError, match="random key"):
        pf.save({"k": jax.random.key(0)}, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_what_stands_is_kept(estimator, tmp_path):
    estimator.save(tmp_path / "m")
    with pytest.raises(OutputError, match="exists"):
        estimator.save(tmp_path / "m")
    estimator.save(tmp_path / "m", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="notes"):
        estimator.save(tmp_path / "mine", overwrite=True)
    with pytest.raises(OutputError, match="no folder"):
        estimator.save(tmp_path / "nowhere" / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "mine"]


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("step", [0, 1])
def test_an_interrupted_overwrite_loses_nothing(exchange, step, tmp_path, monkeypatch):
    """Ctrl-C before any rename of an overwrite leaves one whole model, and nothing beside it."""
    pf.save({"version": 1}, tmp_path / "m")
    rename, calls = files.Path.rename, []

    def interrupted(self, target):
        calls.append(target)
        if len(calls) == step + 1:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "rename", interrupted)
        if not exchange:
            patch.setattr(files, "_exchanged", lambda new, path: False)
            with pytest.raises(KeyboardInterrupt):
                pf.save({"version": 2}, tmp_path / "m", overwrite=True)
        else:
            pf.save({"version": 2}, tmp_path / "m", overwrite=True)
    assert bool(calls) != exchange
    assert pf.load(tmp_path / "m") == {"version": 2 if exchange else 1}
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_are_not_finite_json_are_refused(number, tmp_path):
    pf.save({"x": 1.5}, tmp_path / "m")
    _rewrite(tmp_path / "m", lambda d: d["model"]["dict"].update(x="NUMBER"), number)
    for read in (pf.load, describe):
        with pytest.raises(ModelFileError):
            read(tmp_path / "m")


def test_what_is_saved_can_be_loaded(tmp_path):
    values = {
        "floats": [float("inf"), float("-inf"), 0.1 + 0.2, 5e-324],
        "swapped": np.arange(3, dtype=">f8"),
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 3), np.int8),
        "transposed": np.arange(6, dtype=np.uint32).reshape(2, 3).T,
        "half": jnp.ones(2, jnp.bfloat16),
        "flags": np.array([True, False]),
    }
    pf.save(values, tmp_path / "m")
    again = pf.load(tmp_path / "m")
    assert again.pop("floats") == values["floats"]
    for name, array in again.items():
        assert array.dtype == values[name].dtype.newbyteorder("=")
        assert array.shape == values[name].shape
        np.testing.assert_array_equal(array, values[name])


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    deep = pf.transforms.Affine(jnp.ones(2), jnp.ones(2))
    for _ in range(120):
        deep = pf.transforms.Invert(deep)
    flow = pf.Pushforward(pf.transforms.LU(2), pf.densities.StandardNormal(2))
    torn = eqx.tree_at(lambda m: m.transform, flow, pf.transforms.LU(3))
    for thing, message in [
        (deep, "deeply"),
        (torn, "equal sizes|dim 3"),
        ({"a": np.ones(2, complex)}, "complex"),
        ({"a": np.array(["a"])}, "U1"),
    ]:
        with pytest.raises(OptionError, match=message):
            pf.save(thing, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_float64_arrays_keep_their_type(tmp_path):
    with jax.enable_x64(True):
        thing = pf.transforms.Affine(jnp.ones(2), jnp.full(2, 2.0))
        pf.save(thing, tmp_path / "m")
    again = pf.load(tmp_path / "m")
    assert again.loc.dtype == np.float64


KILLED = """
import sys, jax, pushforward as pf
model = pf.models.maf(64, key=jax.random.key(0), hidden=(256, 256))
print("ready", flush=True)
while True:
    pf.save(model, sys.argv[1], overwrite=True)
"""


@pytest.mark.slow
def test_kill_leaves_a_whole_model(tmp_path, rng):
    """Where names swap in one step the target is never missing; elsewhere it is whole or absent."""
    target = tmp_path / "m"
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one_step = files._exchanged(tmp_path / "one", tmp_path / "other")
    pf.save(pf.models.maf(64, key=jax.random.key(0), hidden=(8,)), target)
    environment = {**os.environ, "PUSHFORWARD_TYPECHECK": "0"}
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE, env=environment
        )
        child.stdout.readline()
        time.sleep(float(rng.uniform(0.01, 0.5)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if one_step or target.exists():
            assert pf.load(target).dim == 64
