"""What only all rows of a decision log together can tell: said before any row is learned from."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.sources import Source
from pipeline.io.engine import create, sql_text
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.stream import stream_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEEDED = ("date", "person", "segment", "action", "propensity")
OPTIONAL = ("eligible", "holdout", "consent")
SLICES = 16
"""Parts of all keys that are looked at one after the other, so that few are in memory at once; a
power of two."""


def look_first(
    connection: DuckDBPyConnection, source: Source, base: Path, resolve: Resolver | None
) -> frozenset[str]:
    """Make `decided_twice` and `odd_chance`; return who has a row that is no consent.

    A cell of consent that is not plainly true is none: the safe side of a word nobody agreed on.
    """
    connection.execute("create table decided (key ubigint)")
    chances = sql_text("marts", "decision_chance")
    gone: set[str] = set()

    def consents(has: Set[str]) -> None:
        if "consent" not in has:
            return
        rows = connection.execute(
            "select distinct person from decisions "
            "where lower(trim(consent)) not in ('true', '1') and person <> ''"
        ).fetchall()
        gone.update(str(row[0]) for row in rows)

    def keys(_: Set[str]) -> None:
        connection.execute(
            "insert into decided select hash(person, iso_day(date)) from decisions, night "
            "where person <> '' and iso_day(date) between night.first_day and night.today"
        )

    def add_chances(_: Set[str]) -> None:
        is_first = not connection.execute(
            "select 1 from duckdb_tables() where table_name = 'decision_chance'"
        ).fetchall()
        start = "create table decision_chance as" if is_first else "insert into decision_chance"
        connection.execute(f"{start} {chances}")

    # A file streams by once a time: three looks hold less than one that keeps its rows.
    for each in (consents, keys, add_chances):
        stream_rows(
            connection, "decisions", source, base, needed=NEEDED, optional=OPTIONAL, each=each,
            resolve=resolve,
        )  # fmt: skip
    connection.execute("create table decided_twice (key ubigint)")
    for part in range(SLICES):
        connection.execute(
            # The casts keep it in 64 bits: in 128, where parameters lead, it is ten times slower.
            "insert into decided_twice select key from decided "
            "where key & ($slices - 1)::ubigint = $part::ubigint "
            "group by key having count(*) > 1",
            {"slices": SLICES, "part": part},
        )
    connection.execute("drop table decided")
    create(connection, "odd_chance", sql_text("marts", "odd_chance"))
    return frozenset(gone)
