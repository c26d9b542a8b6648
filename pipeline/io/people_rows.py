"""What tables about people have in common: read once, without their keys, then staged by the day.

Exposures and contacts differ in their columns and in what is counted; who withdrew, what a refused
source says, and how a night's days reach the SQL are the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.core.sources import Source
from pipeline.io.artefacts import RunFolder
from pipeline.io.checks import printable
from pipeline.io.engine import add_macros, create, engine, sql_text
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.snapshot import SOURCES
from pipeline.io.sources.stream import Counted, count_rows, read_people

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


def read_counted(
    policy: Policy,
    source: Source,
    name: str,
    base: Path,
    work: RunFolder,
    *,
    needed: tuple[str, ...],
    optional: tuple[str, ...],
    resolve: Resolver | None,
    groups: tuple[str, ...] = (),
) -> tuple[Counted | None, list[Finding]]:
    """Return the source's distinct rows, and what the signer should know of it as a whole.

    People who withdrew are left out; nothing that is returned or written says who they are. A
    source that cannot be read is None and a FAIL.

    Args:
        name: of the source, in settings and findings.
        needed, optional: columns.
        groups: columns whose groups' people are counted.
    """
    try:
        withdrawals = policy.sources.withdrawals
        gone = read_people(withdrawals, base, resolve) if withdrawals else frozenset()
        found = count_rows(
            source,
            base,
            needed=needed,
            optional=optional,
            person="person",
            withdrawn=gone,
            groups=groups,
            resolve=resolve,
        )
    except SourceError as error:
        work.write_json(SOURCES, {})
        return None, [error.finding(name)]
    record = {"files": list(found.files), "rows": found.rows, "columns": list(found.columns)}
    work.write_json(SOURCES, {name: record})
    return found, [_withdrawn(name, found)] if gone else []


@contextmanager
def staged_rows(
    snapshot: pa.Table, name: str, day: date, today: date, *, max_days: int, what: str
) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the rows in table `name` and the days of the night in `night`.

    Args:
        max_days: how far back rows count.
        what: the run, for messages.
    """
    with engine(what, advice="hand over daily totals") as connection:
        connection.register("snapshot_arrow", snapshot)
        create(connection, name, "from snapshot_arrow")
        connection.unregister("snapshot_arrow")
        connection.execute("set lock_configuration = true")
        add_macros(connection)
        connection.execute(
            "create table night as select $first::date as first_day, $last::date as last_day, "
            "$today::date as today",
            {
                "first": day - timedelta(days=max_days),
                "last": day - timedelta(days=1),
                "today": today,
            },
        )
        yield connection


def row_faults(
    connection: DuckDBPyConnection,
    table: str,
    name: str,
    page: str,
    columns: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return what is wrong with rows, each kind at the first row that shows it.

    Args:
        table: the SQL that finds it, in `sql/marts`.
        name: of the source.
        page: the document that says what rows hold.
        columns: what the source calls columns that have another name in SQL.
    """
    called = columns or {}
    advice = f"mend the rows where they are made; {page} says what they hold"
    return [
        row_finding(
            Level(level), fault, name, advice,
            Place(
                file=file, row=row, column=called.get(column, column), cell=cell,
                problem=problem, rows=rows,
            ),
        )
        for fault, level, rows, file, row, column, cell, problem in connection.execute(
            sql_text("marts", table)
        ).fetchall()
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a fault stands first, what is there, and how many rows have it.

    Attributes:
        file, row: empty and 0 where a whole table is at fault.
        cell: what is there; of a key of a person always empty.
        of: the rows that were looked at, where a share of them says more than their number.
    """

    file: str
    row: int
    column: str
    cell: str
    problem: str
    rows: int
    of: int = 0


def row_finding(level: Level, check: str, source: str, advice: str, place: Place) -> Finding:
    """Return a fault of rows in the words of every table: file, row, column, what is there."""
    at = f"{place.file}, row {place.row}, " if place.file else ""
    column = f"column {place.column}" if place.column else "the row"
    cell = f": {place.cell[:80]!r}" if place.cell else ""
    are = "rows are" if place.rows > 1 else "row is"
    more = f"; {place.rows:,} of {place.of:,} {are} like it" if place.of else ""
    if not place.of and place.rows > 1:
        more = f"; {place.rows:,} rows are like it"
    return Finding(
        level=level,
        check=check,
        message=printable(f"{source}: {at}{column}{cell} {place.problem}{more}"),
        advice=advice,
        source=source,
        column=place.column,
        row=place.row or None,
        value=printable(place.cell[:200]),
    )


def _withdrawn(name: str, found: Counted) -> Finding:
    message = (
        f"{name}: {found.withdrawn} of {found.rows} rows belong to people who withdrew; they are "
        "not counted and not learned from"
        if "person" in found.columns
        else f"{name}: no column person, so rows name nobody who could withdraw"
    )
    return Finding(level=Level.PASS, check="withdrawals", message=message, source=name)
