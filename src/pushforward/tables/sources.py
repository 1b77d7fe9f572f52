"""What kind of column a cell comes from, before its values are looked at."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Source:
    """Describe a column of a table in memory.

    Parameters
    ----------
    dtype : its type in its library's words; empty for a plain array.
    categories : of a column of texts; its values are places in this list, −1 any other.
    is_boolean : whether its values are true (1) and false (0).
    part_of : of a part of a date (its week, weekday or time of day), the date's column.
    recipe, intercept : of a date that has been split: intercept + Σ factor × part.
    """

    dtype: str = ""
    categories: tuple[str, ...] | None = None
    is_boolean: bool = False
    part_of: str = ""
    recipe: tuple[tuple[str, float], ...] = ()
    intercept: float = 0.0
