"""The files of a large source, opened one after the other as batches of rows."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.core.sources import Source
from pipeline.io.sources.database import Resolver, read_database
from pipeline.io.sources.files import SourceError

MAX_STREAMED_FILES = 5_000
_BATCH = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """One file of a source: its record, a reader of its batches, the rows that its heading takes.

    Attributes:
        file: None where rows come from a database.
    """

    record: dict[str, Any]
    reader: Any
    heading: int
    file: BinaryIO | None


def open_tables(source: Source, base: Path, resolve: Resolver | None) -> Iterator[OpenTable]:
    """Yield each file of a source, open while it is looked at."""
    import pyarrow as pa

    if source.database is not None:
        table = read_database(source, base, resolve)
        arrow = pa.table(dict(zip(table.names, table.columns, strict=True)))
        yield OpenTable(record={"name": table.name}, reader=arrow.to_reader(), heading=0, file=None)
        return
    for name, opened in _open_files(str(source.path), base):
        with opened as file:
            digest = _digest(file)
            file.seek(0)
            try:
                reader, heading = _reader(file, name)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise unreadable(file, name, error) from error
            record = {"name": name, "sha256": digest}
            yield OpenTable(record=record, reader=reader, heading=heading, file=file)


def _open_files(path: str, base: Path) -> Iterator[tuple[str, BinaryIO]]:
    if "://" in path:
        import fsspec

        opened = fsspec.open_files(path, "rb")
        if not opened:
            raise SourceError(f"{path}: no such file", advice="mend the path under sources")
        for item in opened[:MAX_STREAMED_FILES]:
            yield item.path, item.open()
        return
    root, pattern = (Path("/"), path[1:]) if path.startswith("/") else (base, path)
    found = sorted(root.glob(pattern))
    files = [item for item in found if item.is_file() and not item.name.startswith(".")]
    if not files:
        raise SourceError(f"{path}: no such file", advice="mend the path under sources")
    if len(files) > MAX_STREAMED_FILES:
        raise SourceError(f"{path}: {len(files)} files match, at most {MAX_STREAMED_FILES}")
    for item in files:
        try:
            yield item.name, item.open("rb")
        except OSError as error:
            raise SourceError(f"{item.name}: cannot be read: {error.strerror}") from error


def _reader(file: BinaryIO, name: str) -> tuple[Any, int]:
    """Return the batches of a file and the rows of its heading.

    Parquet is known by its first bytes; everything else is comma-separated text.
    """
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    start = file.read(4)
    file.seek(0)
    if start == b"PAR1":
        parquet = pq.ParquetFile(file)
        batches = parquet.iter_batches(batch_size=_BATCH)
        return pa.RecordBatchReader.from_batches(parquet.schema_arrow, batches), 0
    header = file.readline().decode("utf-8-sig").rstrip("\r\n")
    file.seek(0)
    columns = next(_csv_rows(header), [])
    if not columns or len(set(columns)) != len(columns):
        raise SourceError(f"{name}: its first row names no columns, or one twice")
    reader = pc.open_csv(
        file,
        read_options=pc.ReadOptions(block_size=1 << 22),
        convert_options=pc.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )
    return reader, 1


def unreadable(file: BinaryIO | None, name: str, error: Exception) -> SourceError:
    """Return what is wrong with a file without quoting its rows: those may name people."""
    said = str(error)
    if file is not None and "columns, got" in said:
        file.seek(0)
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace"))
        heading = len(next(rows, []))
        for number, cells in enumerate(filter(None, rows), start=2):
            if len(cells) != heading:
                return SourceError(
                    f"{name}: row {number} has {len(cells)} cells, the heading has {heading}",
                    advice="mend the row, or quote commas inside cells",
                )
    if file is not None and "UTF8" in said:
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return SourceError(
                    f"{name}: cannot be read: line {number} holds bytes that are not UTF-8",
                    advice="write the file as UTF-8",
                )
    kind = " ".join(said.split(":", maxsplit=1)[0].split())[:200]
    return SourceError(f"{name}: cannot be read: {kind}")


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _csv_rows(text: str) -> Iterator[list[str]]:
    yield from csv.reader([text])
