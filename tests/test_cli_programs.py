"""Programs on disk: kept where nobody else can put any, used again, and few enough."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushforward.cli import programs

JAX = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def no_choice(monkeypatch, tmp_path):
    """Nothing is chosen yet, and nothing of this stays."""
    for name in (JAX, *programs._SETTINGS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PUSHFORWARD_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_the_folder_is_the_users_alone(no_choice):
    programs.keep_programs()
    folder = Path(os.environ[JAX])
    assert folder.parent == no_choice
    for part in (folder, folder.parent):
        assert part.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("open_part", ["parent", "folder", "link", "file"])
def test_a_folder_that_others_may_write_to_is_left_alone(open_part, no_choice, tmp_path):
    programs.keep_programs()
    folder = Path(os.environ.pop(JAX))
    folder.rmdir()
    if open_part == "parent":
        no_choice.chmod(0o770)
    elif open_part == "folder":
        folder.mkdir()
        folder.chmod(0o702)
    elif open_part == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.write_text("")
    programs.keep_programs()
    assert JAX not in os.environ


def test_a_folder_of_the_users_own_choice_stays(monkeypatch):
    monkeypatch.setenv(JAX, "/somewhere")
    programs.keep_programs()
    assert os.environ[JAX] == "/somewhere"


def test_those_used_longest_ago_go_first(no_choice, monkeypatch):
    monkeypatch.setattr(programs, "_MOST_BYTES", 1000)
    programs.keep_programs()
    folder = Path(os.environ.pop(JAX))
    for i in range(12):
        (folder / f"{i}").write_bytes(bytes(100))
        os.utime(folder / f"{i}", (i, i))
    programs.keep_programs()
    assert sorted(int(p.name) for p in folder.iterdir()) == [8, 9, 10, 11]


def test_files_of_others_stay(no_choice, monkeypatch):
    """A folder that was chosen may hold other files, however old and large."""
    monkeypatch.setattr(programs, "_MOST_BYTES", 10)
    other = no_choice / "papers" / "thesis.txt"
    other.parent.mkdir(parents=True, mode=0o700)
    no_choice.chmod(0o700)
    for path in (other, no_choice / "notes.txt"):
        path.write_bytes(bytes(100))
        os.utime(path, (1, 1))
    programs.keep_programs()
    assert other.exists()
    assert (no_choice / "notes.txt").exists()


def test_without_a_home_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(programs, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    programs.keep_programs()
    assert JAX not in os.environ


def test_a_second_process_compiles_nothing_again(no_choice):
    code = (
        "from pushforward.cli.programs import keep_programs; keep_programs()\n"
        "import jax, jax.numpy as jnp\n"
        "heard = []\n"
        "jax.monitoring.register_event_listener(lambda name, **_: heard.append(name))\n"
        "print(float(jax.jit(lambda x: jnp.linalg.inv(jnp.sin(x) + 9 * jnp.eye(3)).sum())"
        "(jnp.ones((3, 3)))))\n"
        "print(heard.count('/jax/compilation_cache/cache_hits'))\n"
    )
    settings = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    runs = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=True,
        )
        value, hits = done.stdout.split()
        runs.append((float(value), int(hits)))
    assert runs[0][0] == runs[1][0]
    assert runs[0][1] == 0 < runs[1][1]
