"""The house stays as it is drawn: imports point downwards, names are clear, files are small."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pushforward

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pushforward"
LEVELS = {
    "core": 0,
    "native": 1,
    "nets": 1,
    "metrics": 1,
    "transforms": 2,
    "densities": 3,
    "models": 4,
    "fitting": 4,
    "tables": 5,
    "store": 5,
    "judge": 6,
    "scale": 6,
    "estimators": 7,
    "report": 8,
    "cli": 9,
}
MAX_LINES = 400
MAX_NAMES = 60
ALLOWED = {
    ("models/registry.py", "**options"): "build is the one door through which options pass by name",
}


def _modules():
    return {
        ".".join(["pushforward", *path.relative_to(SOURCE).with_suffix("").parts]): path
        for path in sorted(SOURCE.rglob("*.py"))
    }


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _folder(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "pushforward" else None


def test_every_folder_has_a_level():
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert folders
    assert folders <= set(LEVELS)


def test_imports_point_downwards():
    for module, path in _modules().items():
        here = LEVELS.get(_folder(module) or "")
        if here is None:
            continue
        for name in _imports(path):
            there = LEVELS.get(_folder(name) or "")
            assert there is None or there <= here, f"{module} imports {name}"


def test_no_cycles():
    modules = _modules()
    graph = {
        module: {
            name
            for name in _imports(path)
            if name in modules and name != module and modules[name].name != "__init__.py"
        }
        for module, path in modules.items()
        if path.name != "__init__.py"
    }
    done = set()

    def visit(module, trail):
        assert module not in trail, " → ".join([*trail, module])
        if module not in done:
            for name in graph.get(module, ()):
                visit(name, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_no_module_hides_a_public_function():
    namespaces = {name for name, home in pushforward._WHERE.items() if not home}
    public = set(pushforward.__all__) - namespaces
    for module, path in _modules().items():
        folder = path.parent
        if folder == SOURCE and path.name not in ("__init__.py", "__main__.py"):
            assert module.split(".")[-1] not in public
        if path.name == "__init__.py" or folder == SOURCE:
            continue
        package = importlib.import_module(module.rpartition(".")[0])
        names = getattr(package, "__all__", ())
        assert path.stem not in names, f"{path} shares its name with a public function"


def test_few_public_names():
    assert len(pushforward.__all__) <= MAX_NAMES
    for name in pushforward.__all__:
        assert getattr(pushforward, name) is not None


def test_files_are_small_and_the_benchmarks_stay_outside():
    native = [path for ending in ("cc", "h") for path in SOURCE.rglob(f"*.{ending}")]
    for path in (*_modules().values(), *native):
        assert len(path.read_text().splitlines()) <= MAX_LINES, path
    for path in _modules().values():
        assert not any(name.startswith("benchmarks") for name in _imports(path))


def test_forbidden_words():
    """No pickle anywhere; no super(), hasattr or keyword pass-through below the estimators."""
    found = set()
    for module, path in _modules().items():
        tree = ast.parse(path.read_text())
        assert not any(name.split(".")[0] in ("pickle", "dill") for name in _imports(path))
        if LEVELS.get(_folder(module) or "", 9) > 6:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("super", "hasattr", "eval", "exec"), path
            if isinstance(node, ast.FunctionDef) and node.args.kwarg:
                found.add((str(path.relative_to(SOURCE)), f"**{node.args.kwarg.arg}"))
    assert found == set(ALLOWED)


def test_sources_are_in_the_bibliography():
    known = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "docs" / "references.bib").read_text(), re.M))
    named = set()
    for path in _modules().values():
        for keys in re.findall(r"Source ([\w, ]+)$", path.read_text(), re.M):
            named |= {key.strip() for key in keys.split(",")}
    assert named
    assert named <= known, named - known


def test_help_imports_no_jax():
    code = (
        "import sys\nfrom pushforward.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "fit" in done.stdout
