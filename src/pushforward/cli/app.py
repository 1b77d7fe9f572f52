"""The commands, by name."""

from typing import Annotated

import typer

from pushforward import __version__
from pushforward.cli import checking, fitting, inspecting, measuring, rows

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Fit a probability density to a table; score, sample, transform and report on it.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pushforward {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("fit")(fitting.fit)
app.command("score")(rows.score)
app.command("sample")(rows.sample)
app.command("impute")(rows.impute)
app.command("predict")(rows.predict)
app.command("transform")(rows.transform)
app.command("inverse-transform")(rows.inverse_transform)
app.command("report")(fitting.report)
app.command("validate")(checking.validate)
app.command("compare")(checking.compare)
app.command("info")(measuring.info)
app.command("inspect")(inspecting.inspect)
app.command("models")(inspecting.models)
