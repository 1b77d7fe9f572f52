"""The native library's build: what stands in its way is said, and nothing fails."""

import importlib.util
import shutil
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def build():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._build


@pytest.mark.parametrize(
    ("compiler", "said"),
    [("/no/such/compiler", "No such file"), ("false", "failed"), ("env false", "failed")],
)
def test_a_compiler_that_does_not_work(build, compiler, said, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", compiler)
    source = tmp_path / "kernels.cc"
    source.write_text("")
    assert said in build(source, tmp_path / "kernels.so")
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.cc"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_the_error_of_a_source_is_said(build, monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    source = tmp_path / "kernels.cc"
    source.write_text("int half(;\n")
    assert "error" in build(source, tmp_path / "kernels.so")
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.cc"]
