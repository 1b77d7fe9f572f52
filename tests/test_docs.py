"""What the documents say is run: README and docs snippets, lecture examples, names and links."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import pushforward as pf
from pushforward.core import errors

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LECTURES = sorted((ROOT / "examples" / "lectures").glob("*.py"))
DEAR = ("F4_", "F5_", "F6_", "F7_", "F8_", "F9_", "F10_", "F11_", "F12_", "F14_", "G8_")
"""Lectures that take more than two seconds: left to the slow run."""
SNIPPETS = [
    pytest.param(code, id=f"{path.name}-{i}")
    for path in PAGES
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet_runs(code, capsys):
    exec(compile(code, "snippet", "exec"), {})


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=pytest.mark.slow if p.stem.startswith(DEAR) else ())
        for p in LECTURES
    ],
)
def test_lecture_runs(path, tmp_path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    small = {"rows_of_table": 600} if path.stem.startswith(("F7", "G8")) else {}
    numbers = module.main(tmp_path, epochs=2, **small)
    assert all(np.isfinite(value) for value in numbers.values())
    gaps = [value for name, value in numbers.items() if name.startswith("largest difference")]
    assert gaps
    assert max(gaps) < 1e-3  # float32 sums of a few terms of order ten
    assert (tmp_path / f"{path.stem}.png").stat().st_size > 5000


def test_links_lead_somewhere():
    for path in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_error_code_is_explained():
    text = (ROOT / "docs" / "errors.md").read_text()
    kinds = [c for c in vars(errors).values() if isinstance(c, type)]
    codes = [c.code for c in kinds if c is not errors.PushforwardError]
    assert len(set(codes)) == len(codes)
    assert all(code in text for code in codes)


def test_readme_names_every_recipe():
    text = (ROOT / "README.md").read_text()
    assert all(f"`{name}`" in text for name in pf.models.names())
