"""The entry point: runs a command, and turns errors into messages and exit codes."""

import os
import sys
import traceback

import typer
from typer.exceptions import TyperException

from pushforward.cli.app import app
from pushforward.cli.programs import keep_programs
from pushforward.core.errors import ModelFileError, PushforwardError

DONE, FAILED, USAGE, BAD_MODEL, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    0 done, 1 data or check failed, 2 usage, 3 model directory damaged or from another schema
    version, 130 interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    keep_programs()
    try:
        code = app(arguments, prog_name="pushforward", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted")
        code = INTERRUPTED
    except typer.Exit as done:
        code = done.exit_code
    except TyperException as error:
        _say(f"usage error: {error.format_message()}\n  try: pushforward --help")
        code = USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except PushforwardError as error:
        _fail(str(error), debug)
        code = BAD_MODEL if isinstance(error, ModelFileError) else FAILED
    except Exception as error:  # the last line of defence: no traceback for a user
        _fail(f"{type(error).__name__}: {error}\n  try: run again with --debug", debug)
        code = FAILED
    raise SystemExit(code if isinstance(code, int) else DONE)


def _fail(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    _say(f"error {message}")


def _say(message: str) -> None:
    typer.echo(message, err=True)
