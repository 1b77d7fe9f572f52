"""Tables: reading, schema, columns as exact transforms, and densities in a table's own units."""

from typing import TYPE_CHECKING

from pushforward.lazy import lazily

if TYPE_CHECKING:
    from pushforward.tables.column import Column
    from pushforward.tables.density import TableDensity
    from pushforward.tables.frames import from_frame
    from pushforward.tables.inference import infer_schema
    from pushforward.tables.reading import read_table, stream_table
    from pushforward.tables.schema import Schema
    from pushforward.tables.writing import TableWriter

_WHERE = {
    "Column": "column",
    "Schema": "schema",
    "TableDensity": "density",
    "TableWriter": "writing",
    "from_frame": "frames",
    "infer_schema": "inference",
    "read_table": "reading",
    "stream_table": "reading",
}

__all__ = [
    "Column",
    "Schema",
    "TableDensity",
    "TableWriter",
    "from_frame",
    "infer_schema",
    "read_table",
    "stream_table",
]

__getattr__ = lazily(__name__, _WHERE)
