"""Writing tables to files: streamed, under a temporary name until all is written."""

import gzip
import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pushforward.core.errors import OutputError
from pushforward.tables.reading import format_of


class TableWriter:
    """Write pieces of a table to a file that appears complete or not at all.

    Parameters
    ----------
    path : name that ends in .parquet, .csv, .csv.gz or .arrow, or `-` for CSV on standard
        output.
    overwrite : replace an existing file.

    Raises
    ------
    OutputError : the file exists, or the place cannot be written or is full.
    """

    def __init__(self, path: str | Path, overwrite: bool = False):
        self._path = str(path)
        self._ending = format_of(self._path)
        self._temporary: str | None = None
        self._sink: Any = None
        self._writer: Any = None
        check_output(self._path, overwrite)

    def __enter__(self) -> "TableWriter":
        try:
            if self._path == "-":
                self._sink = sys.stdout.buffer
                return self
            target = Path(self._path)
            handle, self._temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            self._sink = os.fdopen(handle, "wb")
            if self._ending == ".csv.gz":
                self._sink = gzip.GzipFile(fileobj=self._sink, mode="wb", mtime=0)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def write(self, table: pa.Table) -> None:
        """Append a piece; the first one settles the columns."""
        try:
            if self._writer is None:
                self._writer = self._open(table.schema)
            self._writer.write_table(table)
            if self._path == "-":
                self._sink.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._writer is not None and (kind is None or self._path != "-"):
                self._writer.close()
            if self._temporary is None:
                return
            inner = getattr(self._sink, "fileobj", None)
            self._sink.close()
            if inner is not None:
                inner.close()
            if kind is None:
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(self._temporary, 0o666 & ~mask)
                os.replace(self._temporary, self._path)
                self._temporary = None
        except OSError as failure:
            if kind is None:
                raise self._unwritable(failure) from failure
        finally:
            if self._temporary is not None:
                Path(self._temporary).unlink(missing_ok=True)

    def _open(self, schema: pa.Schema) -> Any:
        if self._ending == ".parquet":
            return pq.ParquetWriter(self._sink, schema, compression="zstd")
        if self._ending == ".arrow":
            return pa.ipc.new_file(self._sink, schema)
        return pa_csv.CSVWriter(self._sink, schema)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._path}: {error.strerror or error}",
            "a writable place with room",
            "nothing was written",
        )


def check_output(path: str | Path, overwrite: bool) -> None:
    """Raise unless a file may be written to `path`."""
    target = Path(path)
    if str(path) == "-":
        return
    if target.is_dir():
        raise OutputError(f"{path} is a directory", "a file name")
    if target.exists() and not overwrite:
        raise OutputError(f"{path} exists", "a new name", "pass --overwrite (overwrite=True)")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: no folder {target.parent}", "an existing folder")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{path}: folder {target.parent} cannot be written", "write access")
