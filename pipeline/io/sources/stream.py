"""Large files without loading them: distinct rows and how often each stood there.

Rows stream through DuckDB in batches; what stays is one row per distinct combination of the
columns that are asked for. A person's key is used to leave people out and is then dropped, so it
is never stored. A hundred million events of some creatives and days come down to some thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.sources import Source
from pipeline.io.engine import engine, quoted
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.stream_files import open_tables, unreadable

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MAX_DISTINCT = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What was read of one source.

    Attributes:
        table: the columns as texts, `copies`, and where the first such row stood: `source_file`,
            `source_row`.
        columns: which of the wanted columns the source has.
        files: name and hash of every file.
        rows: of the source; `withdrawn` of them belong to people who withdrew.
        people: per group that was asked for, `people`: at least so many, about; None where rows
            name nobody.
    """

    table: pa.Table
    columns: tuple[str, ...]
    files: tuple[dict[str, Any], ...]
    rows: int
    withdrawn: int
    people: pa.Table | None = None


def count_rows(
    source: Source,
    base: Path,
    *,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    person: str | None = None,
    withdrawn: frozenset[str] = frozenset(),
    groups: Sequence[str] = (),
    resolve: Resolver | None = None,
) -> Counted:
    """Return the distinct rows of a source with their number.

    Args:
        needed, optional: columns in the contract's names; `columns:` of the source maps them.
        person: the column whose value must not be in `withdrawn`; read where the source has it.
        groups: columns whose groups' people are counted, without keeping who they are.

    Raises:
        SourceError: nothing there, unreadable, a column is missing, or too many distinct rows.
    """
    shown = str(source.path or source.table or "query")
    kept = ", ".join(quoted(column) for column in (*needed, *optional))
    texts = ", ".join(f"{quoted(column)} text" for column in (*needed, *optional))
    extra = (*optional, *([person] if person else []))
    counts = [0, 0]
    with engine(shown, advice="hand over daily totals") as connection:
        connection.execute(
            f"create table counted ({texts}, source_file text, source_row bigint, copies bigint, "
            "people bigint, someone ubigint)"
        )
        name_people(connection, "gone", withdrawn)
        key = quoted(person) if person else "null"
        is_gone = f"coalesce({key} in (select person from gone), false)"  # noqa: S608
        told = (
            f", approx_count_distinct({key}) as people, min(hash({key})) as someone"
            if groups
            else ", null::bigint as people, null::ubigint as someone"
        )

        def add(_: Set[str]) -> None:
            connection.execute(
                f"create or replace temp table part as select {kept}, {is_gone} as gone, "  # noqa: S608
                f"source_file, min(source_row) as source_row, count(*) as copies{told} "
                "from batch group by all"
            )
            connection.execute(
                f"insert into counted select {kept}, source_file, source_row, copies, people, "  # noqa: S608
                "someone from part where not gone"
            )
            found = connection.execute(
                "select sum(copies), sum(copies) filter (where gone) from part"
            ).fetchall()[0]
            counts[0] += int(found[0] or 0)
            counts[1] += int(found[1] or 0)

        read = stream_rows(
            connection, "batch", source, base, needed=needed, optional=extra, each=add,
            resolve=resolve,
        )  # fmt: skip
        table: pa.Table = connection.sql(
            f"select * exclude (place), place.file as source_file, place.row as source_row from ("  # noqa: S608
            f"select {kept}, sum(copies)::bigint as copies, "
            "min({'file': source_file, 'row': source_row}) as place "
            f"from counted group by {kept}) order by {kept}"
        ).to_arrow_table()
        has_people = bool(groups) and person in read.columns
        people = _people(connection, groups) if has_people else None
    if table.num_rows > MAX_DISTINCT:
        raise SourceError(
            f"{shown}: {table.num_rows} distinct rows, at most {MAX_DISTINCT} are kept",
            advice="hand over daily totals, or fewer days",
        )
    return Counted(
        table=table,
        columns=read.columns,
        files=read.files,
        rows=counts[0],
        withdrawn=counts[1],
        people=people,
    )


def _people(connection: DuckDBPyConnection, groups: Sequence[str]) -> pa.Table:
    """Return how many people each group has at least.

    As many as the distinct row with most of them, or as there are different people among one of
    each distinct row: a group that few people a day make up is not taken for a small one.
    """
    names = ", ".join(quoted(column) for column in groups)
    return connection.sql(
        f"select {names}, greatest(max(people), count(distinct someone)) as people "  # noqa: S608
        f"from counted group by {names} order by {names}"
    ).to_arrow_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What was streamed.

    Attributes:
        files: name and hash of every file.
        columns: which of the wanted columns all of them have.
    """

    files: tuple[dict[str, Any], ...]
    columns: tuple[str, ...]


def stream_rows(
    connection: DuckDBPyConnection,
    view: str,
    source: Source,
    base: Path,
    *,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    each: Callable[[Set[str]], None],
    resolve: Resolver | None = None,
) -> Streamed:
    """Show the source's files, one after the other, as a view of texts; a missing cell is ''.

    Beside the texts the view says where each row stands: `source_file`, and `source_row`, which
    counts the header of a text file as the first.

    Args:
        needed, optional: columns in the contract's names; `columns:` of the source maps them.
        each: reads the view once per file; it is told which of the columns the file has.

    Raises:
        SourceError: nothing there, unreadable, or a column is missing.
    """
    import duckdb

    names = {column: source.columns.get(column, column) for column in (*needed, *optional)}
    files, present = [], dict.fromkeys(names)
    for table in open_tables(source, base, resolve):
        file, reader = table.record, table.reader
        has = {column for column, name in names.items() if name in reader.schema.names}
        if missing := [names[column] for column in needed if column not in has]:
            raise SourceError(
                f"{file['name']}: has no column {', '.join(missing)}",
                advice="map it under columns of the source",
                column=missing[0],
            )
        columns = ", ".join(
            f"coalesce({quoted(name)}::text, '') as {quoted(column)}"
            if column in has
            else f"'' as {quoted(column)}"
            for column, name in names.items()
        )
        connection.register("batches", reader)
        connection.execute(
            f"create or replace temp view {quoted(view)} as select {columns}, "  # noqa: S608
            f"{_literal(str(file['name']))} as source_file, "
            f"row_number() over () + {table.heading} as source_row from batches"
        )
        try:
            each(has)
        except duckdb.InvalidInputException as error:  # a row beyond the first block
            raise unreadable(table.file, str(file["name"]), error) from error
        connection.execute(f"drop view {quoted(view)}")
        connection.unregister("batches")
        files.append(file)
        present = {column: None for column in present if column in has}
    return Streamed(files=tuple(files), columns=tuple(present))


def name_people(connection: DuckDBPyConnection, table: str, people: frozenset[str]) -> None:
    """Make a table of people's keys."""
    import pyarrow as pa

    keys = pa.table({"person": pa.array(sorted(people), pa.string())})
    connection.register("people_arrow", keys)
    connection.execute(f"create table {quoted(table)} as from people_arrow")
    connection.unregister("people_arrow")


def read_people(source: Source, base: Path, resolve: Resolver | None = None) -> frozenset[str]:
    """Return the keys of the `person` column of a source: who withdrew.

    A key with blanks around it stands for the one without them too: who withdrew stays out.
    """
    found = count_rows(source, base, needed=("person",), resolve=resolve)
    keys = [str(key) for key in found.table.column("person").to_pylist()]
    return frozenset(form for key in keys for form in (key, key.strip()) if form)


def _literal(text: str) -> str:
    """Return the text as SQL: a view holds no parameters."""
    return "'" + text.replace("'", "''") + "'"
