"""The table of rewards: added up by person and day, and what is wrong with its rows."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.sources import Source
from pipeline.io.engine import sql_text
from pipeline.io.people_rows import Place
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.stream import stream_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEEDED = ("date", "person", "reward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """What was read of the table of rewards.

    Attributes:
        faults: fault -> how many rows, and where the first stands.
    """

    files: tuple[dict[str, Any], ...] = ()
    rows: int = 0
    faults: Mapping[str, tuple[int, Place]] = field(default_factory=dict)


def read_rewards(
    connection: DuckDBPyConnection, source: Source | None, base: Path, resolve: Resolver | None
) -> Rewards:
    """Make `rewarded`: what came of a person's decision of a day, where anything did."""
    connection.execute(
        "create table rewards_read (person text, day date, fault text, reward double, "
        'place struct(file text, "row" bigint, "column" text, cell text, problem text))'
    )

    def add(_: Set[str]) -> None:
        connection.execute(f"insert into rewards_read {sql_text('staging', 'stg_rewards')}")

    files: tuple[dict[str, Any], ...] = ()
    if source is not None:
        files = stream_rows(
            connection, "rewards", source, base, needed=NEEDED, each=add, resolve=resolve
        ).files
    connection.execute(
        "create table rewarded as select person, day, sum(reward) as reward from rewards_read "
        "where fault = '' group by person, day having sum(reward) <> 0"
    )
    faults = connection.execute(
        "select fault, count(*), min(place) from rewards_read where fault <> '' group by fault"
    ).fetchall()
    rows = connection.execute("select count(*) from rewards_read").fetchall()[0][0]
    connection.execute("drop table rewards_read")
    return Rewards(
        files=files,
        rows=int(rows),
        faults={fault: (count, Place(rows=count, **place)) for fault, count, place in faults},
    )


def belonging(connection: DuckDBPyConnection) -> int:
    """Return how many rewards of the window's days belong to people who did not withdraw."""
    found = connection.execute(
        "select count(*) from rewarded anti join withdrawn using (person) cross join night "
        "where day between night.first_day and night.last_mature"
    ).fetchall()
    return int(found[0][0])
