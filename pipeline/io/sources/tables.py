"""Bytes of a CSV or parquet file as a table of texts: nothing is guessed here."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.io.sources.files import RawFile, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COLUMNS = 500
MAX_ROWS = 20_000_000
MAX_CELL = 10_000  # characters
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"SQLite format 3": "a SQLite database",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": "XML",
    b"{": "JSON",
    b"[": "JSON",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A source's rows as texts.

    Attributes:
        names: the header, each once.
        columns: Arrow arrays of text, one per name; an empty cell is "".
        row: Arrow array, the row's number in its file; the header is row 1.
        ends_open: whether the file's last row has no line end, as when a copy was cut.
    """

    name: str
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    row: Any
    ends_open: bool = False


def parse_file(raw: RawFile, *, may_be_empty: bool = False) -> TextTable:
    """Return the file's table, whatever of the two kinds it is.

    Args:
        may_be_empty: whether a table with columns and no rows says something.

    Raises:
        SourceError: empty, damaged, cut off, of another kind, or beyond the limits.
    """
    head = raw.data[:16]
    if not raw.data:
        raise SourceError(f"{raw.name}: the file is empty")
    if head.startswith(b"PAR1") or raw.name.lower().endswith((".parquet", ".pq")):
        table = _parse_parquet(raw)
    else:
        _check_kind(raw.name, head)
        table = _parse_csv(raw)
    if not (may_be_empty or len(table.row)):
        raise SourceError(f"{raw.name}: has a header and no rows")
    return table


def _check_kind(name: str, head: bytes) -> None:
    stripped = head.lstrip()
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic) or (magic[:1] in b"<{[" and stripped.startswith(magic)):
            raise SourceError(f"{name}: is {kind}, need CSV or parquet")


def text_columns(name: str, table: pa.Table) -> tuple[Any, ...]:
    """Return each column of an Arrow table as text, exactly: a float as its shortest form.

    Raises:
        SourceError: a column is nested or binary.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for header, packed in zip(table.column_names, table.columns, strict=True):
        is_dictionary = pa.types.is_dictionary(packed.type)
        column = packed.cast(packed.type.value_type) if is_dictionary else packed
        kind = column.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise SourceError(
                f"{name}: column {header!r} holds {kind}, need text, numbers or dates",
                column=header,
            )
        try:
            text = column.combine_chunks().cast(pa.string())
        except pa.ArrowException as error:
            raise SourceError(
                f"{name}: column {header!r} of {kind} cannot be read", column=header
            ) from error
        text = pc.fill_null(text, "")
        columns.append(text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text)
    return tuple(columns)


def check_header(name: str, header: list[str]) -> None:
    """Refuse a header with a name twice, without a name, or with too many.

    Raises:
        SourceError: as said.
    """
    if len(header) > MAX_COLUMNS:
        raise SourceError(f"{name}: {len(header)} columns, at most {MAX_COLUMNS} are read")
    twice = sorted({item for item in header if header.count(item) > 1})
    if twice:
        raise SourceError(
            f"{name}: the header has {', '.join(map(repr, twice))} more than once",
            advice="keep one of the columns",
            column=twice[0],
        )


def check_cells(name: str, names: tuple[str, ...], columns: tuple[Any, ...], row: Any) -> None:
    """Refuse a cell that is longer than any name or number.

    Raises:
        SourceError: naming column and row.
    """
    import pyarrow.compute as pc

    for header, column in zip(names, columns, strict=True):
        length = pc.utf8_length(column)
        longest = pc.max(length).as_py() or 0
        if longest > MAX_CELL:
            where = row[pc.index(length, longest).as_py()].as_py()
            raise SourceError(
                f"{name}, row {where}: column {header!r} has a cell of {longest} characters, "
                f"at most {MAX_CELL} are read; a quote that is never closed does this",
                column=header,
            )


def _parse_csv(raw: RawFile) -> TextTable:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as arrow_csv

    name, data = raw.name, raw.data
    _check_text(name, data)
    header, data_start = _read_header(name, data)
    check_header(name, header)
    wrong: list[tuple[int, int]] = []

    def skip(bad: Any) -> str:
        wrong.append((bad.number or 0, bad.actual_columns))
        return "skip"

    fields = [f"c{index}" for index in range(len(header))]
    if data_start >= len(data):  # Arrow takes no rows for no CSV
        none = pa.array([], pa.string())
        return TextTable(
            name=name,
            names=tuple(header),
            columns=(none,) * len(header),
            row=pa.array([], pa.int64()),
        )
    body = pa.py_buffer(data).slice(data_start)
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=fields, block_size=1 << 24
            ),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(fields, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise SourceError(f"{name}: cannot be read as CSV: {_one_line(error)}") from error
    if wrong:
        first, count = wrong[0]
        more = f" (and {len(wrong) - 1} more such rows)" if len(wrong) > 1 else ""
        raise SourceError(
            f"{name}, row {first + 1}: {count} cells, need {len(header)}{more}",
            advice="the file may be cut off, or a comma may stand in a cell without quotes",
        )
    if table.num_rows > MAX_ROWS:
        raise SourceError(f"{name}: {table.num_rows} rows, at most {MAX_ROWS} are read")
    columns = tuple(pc.fill_null(column.combine_chunks(), "") for column in table.columns)
    row = pa.array(range(2, table.num_rows + 2), pa.int64())
    columns, row = _without_blank_rows(columns, row)
    names = tuple(header)
    check_cells(name, names, columns, row)
    _check_last_quote(name, data, columns)
    return TextTable(
        name=name, names=names, columns=columns, row=row, ends_open=data[-1:] not in b"\r\n"
    )


def _check_text(name: str, data: bytes) -> None:
    position = data.find(b"\x00")
    if position >= 0:
        raise SourceError(
            f"{name}, row {data.count(bytes([10]), 0, position) + 1}: holds zero bytes; "
            "the file is damaged or half-written"
        )
    try:
        codecs.lookup("utf-8").decode(data)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"{name}, row {row}: not UTF-8", advice="export the file again as UTF-8"
        ) from error


def _read_header(name: str, data: bytes) -> tuple[list[str], int]:
    """Return the column names and where the rows begin."""
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    ends = [position for mark in (b"\n", b"\r") if (position := data.find(mark, start)) >= 0]
    end = min(ends, default=len(data))
    if end - start > MAX_COLUMNS * 200:
        raise SourceError(f"{name}: the first row is {end - start} bytes long, need a header")
    line = data[start:end].decode("utf-8")
    try:
        header = next(csv.reader(io.StringIO(line), strict=True), [])
    except csv.Error as error:
        raise SourceError(f"{name}: the header cannot be read: {error}") from error
    for other, said in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and other in line:
            raise SourceError(
                f"{name}: cells are separated by {said}, need commas",
                advice="export with commas between cells and a point in decimals",
            )
    after = end + (2 if data[end : end + 2] == b"\r\n" else 1)
    return header, after


def _without_blank_rows(columns: tuple[Any, ...], row: Any) -> tuple[tuple[Any, ...], Any]:
    import pyarrow.compute as pc

    empty = pc.equal(columns[0], "")
    if not pc.any(empty).as_py():
        return columns, row
    for column in columns[1:]:
        empty = pc.and_(empty, pc.equal(column, ""))
    keep = pc.invert(empty)
    return tuple(column.filter(keep) for column in columns), row.filter(keep)


def _check_last_quote(name: str, data: bytes, columns: tuple[Any, ...]) -> None:
    """A quote that is opened and never closed swallows the rest of the file."""
    if data.count(b'"') % 2 == 0 or not len(columns[-1]):
        return
    last = columns[-1][len(columns[-1]) - 1].as_py()
    if "\n" in last or not data.endswith((b"\n", b"\r")):
        raise SourceError(f"{name}: a quote is opened and never closed; the file may be cut off")


def _parse_parquet(raw: RawFile) -> TextTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.io.sources.files import MAX_BYTES

    name = raw.name
    try:
        file = pq.ParquetFile(pa.BufferReader(raw.data))
        unpacked = sum(
            file.metadata.row_group(index).total_byte_size
            for index in range(file.metadata.num_row_groups)
        )
        if file.metadata.num_rows > MAX_ROWS or unpacked > MAX_BYTES:
            raise SourceError(
                f"{name}: unpacks to {file.metadata.num_rows} rows and {unpacked} bytes, "
                f"at most {MAX_ROWS} and {MAX_BYTES} are read"
            )
        header = list(file.schema_arrow.names)
        check_header(name, header)
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, MemoryError, OverflowError) as error:
        raise SourceError(
            f"{name}: not a whole parquet file: {_one_line(error)}", advice="write the file again"
        ) from error
    columns = text_columns(name, table)
    row = pa.array(range(2, table.num_rows + 2), pa.int64())
    check_cells(name, tuple(header), columns, row)
    return TextTable(name=name, names=tuple(header), columns=columns, row=row)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
