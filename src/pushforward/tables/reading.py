"""Reading tables from files: Parquet, Arrow, and CSV in the dialects that people have."""

import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pushforward.core.errors import DataError

ROWS = 65_536
"""Rows of a streamed piece."""

FORMATS = (".parquet", ".csv", ".csv.gz", ".arrow")
_BLOCK_BYTES = 1 << 22
_SNIFFED_BYTES = 65_536
_QUOTED = re.compile(r'"[^"]*"')
_CELL_ERROR = re.compile(r"CSV column #(\d+): Row #(\d+): .*invalid value '(.*)'")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?$")


def format_of(path: str) -> str:
    """Return the format that a path's name (or `-`, CSV) says; refuse others by name."""
    if path == "-":
        return ".csv"
    for ending in FORMATS:
        if path.lower().endswith(ending):
            return ending
    raise DataError(f"{path}: an unknown format", f"a name that ends in {', '.join(FORMATS)}, or -")


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole table.

    Raises
    ------
    DataError : there is no such file, it is empty, ragged, or has no rows or repeated names.
    """
    pieces = list(stream_table(path, columns))
    return pa.concat_tables(pieces, promote_options="permissive")


def stream_table(
    path: str | Path, columns: Sequence[str] | None = None, rows: int = ROWS
) -> Iterator[pa.Table]:
    """Yield a table in pieces of at most `rows` rows, in constant memory."""
    path = str(path)
    ending = format_of(path)
    if path != "-":
        _check_file(Path(path))
    try:
        pieces = {".parquet": _parquet, ".arrow": _arrow}.get(ending, _csv)(path, rows)
        found = 0
        for piece in pieces:
            if not found:
                _check_names(piece.column_names, columns, path)
            for first in range(0, piece.num_rows, rows):
                part = piece.slice(first, rows)
                found += part.num_rows
                yield part if columns is None else part.select(list(columns))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {_first_line(error)}", f"a readable {ending} table") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", f"a readable {ending} table") from error
    if not found:
        raise DataError(f"{path}: no rows", "a header and at least one row")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a directory", "a file")
    if not path.exists():
        raise DataError(f"{path}: no such file", "an existing table")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: an empty file", "a table with a header and rows")


def _check_names(names: list[str], columns: Sequence[str] | None, path: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: column names that repeat: {repeated}", "a name per column")
    missing = [name for name in columns or () if name not in names]
    if missing:
        raise DataError(f"{path}: no columns {missing}", f"among {', '.join(names)}")


def _parquet(path: str, rows: int) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    yield file.schema_arrow.empty_table()
    for batch in file.iter_batches(rows):
        yield pa.Table.from_batches([batch])


def _arrow(path: str, rows: int) -> Iterator[pa.Table]:
    with pa.memory_map(path) as source:
        try:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            batches = iter(reader)
        yield reader.schema.empty_table()
        for batch in batches:
            yield pa.Table.from_batches([batch])


def _csv(path: str, rows: int) -> Iterator[pa.Table]:
    """Yield CSV pieces; in a file of several blocks every column of numbers is floating."""
    raw: Any = sys.stdin.buffer if path == "-" else pa.input_stream(path)
    head = _read_block(raw)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: text in UTF-16", "text in UTF-8", "save the table as UTF-8")
    if not head.removeprefix(b"\xef\xbb\xbf"):
        raise DataError(f"{path}: an empty file", "a header and rows")
    delimiter, decimal = _dialect(head)
    ragged: list[str] = []
    names: list[str] = []

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append(f"line {row.number}: {row.actual_columns} values")
        return "error"

    def reader_of(source: io.RawIOBase, types: dict[str, pa.DataType]) -> Any:
        return pa_csv.open_csv(
            source,
            read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                decimal_point=decimal,
                strings_can_be_null=True,
                auto_dict_encode=False,
                column_types=types,
            ),
        )

    try:
        types: dict[str, pa.DataType] = {}
        if len(head) == _BLOCK_BYTES:
            whole_lines = head[: head.rfind(b"\n") + 1]
            first = reader_of(_Rejoined(whole_lines, io.BytesIO()), {}).schema
            later = {pa.int64(): pa.float64(), pa.null(): pa.float64()}
            types = {field.name: later.get(field.type, field.type) for field in first}
        reader = reader_of(_Rejoined(head, raw), types)
        names = reader.schema.names
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        if ragged:
            raise DataError(
                f"{path}, {ragged[0]}", "as many values in each line as the header has names"
            ) from error
        if "Empty CSV" in str(error):
            raise DataError(f"{path}: no rows", "a header and at least one row") from error
        cell = _CELL_ERROR.search(str(error))
        if cell and int(cell[1]) < len(names):
            raise DataError(
                f"{path}: column {names[int(cell[1])]!r}, line {cell[2]}: {cell[3]!r}",
                "numbers, as in the lines before",
            ) from error
        raise


def _read_block(raw: Any) -> bytes:
    """Read a full block, or all there is."""
    parts, missing = [], _BLOCK_BYTES
    while missing and (part := raw.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _dialect(head: bytes) -> tuple[str, str]:
    """Return the delimiter and decimal point of a CSV's beginning."""
    lines = head[:_SNIFFED_BYTES].decode("utf-8-sig", "replace").splitlines()[:50]
    first = _QUOTED.sub("", lines[0])
    delimiter = max(",;\t", key=lambda mark: (first.count(mark), mark == ","))
    if first.count(delimiter) == 0 and all(map(_NUMBER_WITH_COMMA.match, lines[1:])):
        return ";", ","  # one column of decimal commas
    if delimiter == ",":
        return delimiter, "."
    cells = [cell.strip().strip('"') for line in lines[1:] for cell in line.split(delimiter)]
    comma = sum(bool(_NUMBER_WITH_COMMA.match(cell)) for cell in cells)
    point = sum(bool(re.match(r"[+-]?\d+\.\d+", cell)) for cell in cells)
    return delimiter, "," if comma > point else "."


class _Rejoined(io.RawIOBase):
    """Read what was looked at, then the rest."""

    def __init__(self, head: bytes, rest: Any):
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size) if size >= 0 else self._rest.read()
        if size < 0:
            out, self._head = self._head + self._rest.read(), b""
            return out
        out, self._head = self._head[:size], self._head[size:]
        return out


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
