"""Commands that only look: inspect, models."""

import dataclasses

from rich.table import Table

from pushforward.cli.options import Debug, Json, ModelDir, Quiet
from pushforward.cli.show import console, fit_summary, print_json


def inspect(
    model_dir: ModelDir, json: Json = False, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Check a model directory's files and show its columns and training card."""
    from pushforward.store import describe

    found = describe(model_dir)
    say = console(quiet)
    card = found["card"]
    if card:
        for part in fit_summary(card, found["schema"]["columns"]):
            say.print(part)
        say.print(
            f"{card['model']}, {card['n_parameters']:,} parameters, fitted to {card['rows']:,} "
            f"rows with seed {card['seed']} in {card['seconds']:.0f} s"
        )
    say.print(f"{found['class']}, {found['bytes']:,} bytes, pushforward {found['pushforward']}")
    if json:
        print_json(found)


def models(json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """List every recipe with its family, evidence, year and source."""
    from pushforward.models.registry import names, recipe

    recipes = [recipe(name) for name in names()]
    table = Table("name", "family", "evidence", "year", "source", title="Models")
    for item in recipes:
        table.add_row(item.name, item.family, str(item.evidence), str(item.year), item.source)
    console(quiet).print(table)
    if json:
        listed = [
            {
                **{
                    field.name: getattr(item, field.name)
                    for field in dataclasses.fields(item)
                    if field.name != "build"
                },
                "evidence": str(item.evidence),
            }
            for item in recipes
        ]
        print_json({"models": listed})
