"""Options that several commands share, and the file that can give them."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take a TOML file's entries as defaults: command line > file > built-in default.

    Entries at the top hold for every command that knows them, those under [fit], [score], …
    for that command.
    """
    if path is None:
        return None
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}") from error
    command = context.command.name or ""
    shared = {key: value for key, value in data.items() if not isinstance(value, dict)}
    own = data.get(command, {})
    if not isinstance(own, dict):
        raise typer.BadParameter(f"{path}: {command} = {own!r}; expected a table [{command}]")
    known = {parameter.name for parameter in context.command.params}
    entries = {key.replace("-", "_"): value for key, value in {**shared, **own}.items()}
    siblings = context.parent.command.commands.values() if context.parent else ()  # type: ignore[union-attr]
    anyone = known | {parameter.name for other in siblings for parameter in other.params}
    unknown = {key.replace("-", "_") for key in own} - known
    unknown |= {key.replace("-", "_") for key in shared} - anyone
    if unknown:
        raise typer.BadParameter(f"{path}: no such options of {command}: {sorted(unknown)}")
    context.default_map = {
        **(context.default_map or {}),
        **{key: _plain(value) for key, value in entries.items() if key in known},
    }
    return path


def limit_threads(threads: int | None) -> int | None:
    """Keep this process to so many cores; acts before the first array is made."""
    if threads is None:
        return None
    if threads < 1:
        raise typer.BadParameter("at least 1")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, cores)
    return threads


def _plain(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


Seed = Annotated[int, typer.Option(help="Seed of everything random; same seed, same result.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line (for programs).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Threads = Annotated[
    int | None, typer.Option(callback=limit_threads, is_eager=True, help="Cores to use at most.")
]
Config = Annotated[
    Path | None,
    typer.Option(callback=read_config, is_eager=True, help="TOML file with defaults of options."),
]
ModelDir = Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="What `fit -o` wrote.")]
Table = Annotated[
    str, typer.Argument(metavar="TABLE", help=".parquet, .csv, .csv.gz, .arrow, or - for CSV.")
]
Out = Annotated[
    str, typer.Option("--output", "-o", metavar="OUT", help="Where to write; - for CSV to stdout.")
]
