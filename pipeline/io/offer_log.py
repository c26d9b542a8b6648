"""The log of offer decisions, added up in DuckDB as its files stream by; no person stays in it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.sources import Sources
from pipeline.io.engine import add_macros, engine, quoted, sql_text
from pipeline.io.offer_first_look import NEEDED, look_first
from pipeline.io.offer_rewards import Rewards, belonging, read_rewards
from pipeline.io.people_rows import Place
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.stream import Streamed, name_people, read_people, stream_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

OPTIONAL = ("reward", "eligible", "holdout", "consent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A decision log added up.

    Attributes:
        cells: rows of sql/marts/decision_cell whose fault is ''.
        faults: fault -> how many rows, and where the first stands.
        newest: the newest day of any row that can be read; None without one.
        rewards: the table of them; empty where they stand in the log.
        rewarded: how many of that table's are of the window.
        largest: where the reward stands that weighs more than all others; None without one.
    """

    cells: pa.Table
    faults: Mapping[str, tuple[int, Place]]
    newest: date | None
    files: tuple[dict[str, Any], ...]
    rows: int
    rewards: Rewards
    rewarded: int
    largest: Place | None

    def left_out(self, fault: str) -> int:
        """Return how many rows have a fault."""
        return self.faults[fault][0] if fault in self.faults else 0


def read_log(
    sources: Sources,
    base: Path,
    day: date,
    today: date,
    *,
    window_days: int,
    judged_until: date,
    in_force_from: date | None = None,
    resolve: Resolver | None = None,
) -> Log:
    """Return the log of the window before `day`, without anybody who withdrew.

    Args:
        judged_until: the last day whose decisions count.

    Raises:
        SourceError: a source cannot be read.
    """
    source = sources.decisions
    assert source is not None  # noqa: S101  the policy refuses offers without it
    with engine("decisions", advice="hand over fewer days") as connection:
        add_macros(connection)
        make_night(
            connection,
            first_day=day - timedelta(days=window_days),
            last_mature=judged_until,
            in_force_from=in_force_from,
            today=today,
            has_rewards=sources.rewards is not None,
            has_consent=False,
        )
        said_no = look_first(connection, source, base, resolve)
        name_people(connection, "withdrawn", who_withdrew(sources, base, resolve) | said_no)
        rewards = read_rewards(connection, sources.rewards, base, resolve)
        parts = _Parts(connection)
        view = (
            f"create or replace temp view stg_decisions as {sql_text('staging', 'stg_decisions')}"
        )

        def add(has: Set[str]) -> None:
            connection.execute("update night set has_consent = $has", {"has": "consent" in has})
            connection.execute(view)
            parts.add(sql_text("marts", "decision_cell"))

        read = stream_rows(
            connection, "decisions", source, base, needed=NEEDED, optional=OPTIONAL, each=add,
            resolve=resolve,
        )  # fmt: skip
        return _log(connection, read, rewards)


_NOWHERE: Mapping[str, Any] = {"file": "", "row": 0, "column": "", "cell": "", "problem": ""}


class _Parts:
    """Sums that grow file by file: as many rows as there are different keys, however many files."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection
        self._is_first = True

    def add(self, select: str) -> None:
        if self._is_first:
            self._connection.execute(f"create table parts as {select}")
            self._is_first = False
        else:
            self._connection.execute(f"insert into parts by name {select}")


def _log(connection: DuckDBPyConnection, read: Streamed, rewards: Rewards) -> Log:
    keys = "fault, segment, eligible, action, propensity, bucket, is_holdout, is_current"
    sums = "decisions, reward, reward_sq, rewarded"
    ends = "max(newest_day) as newest_day, min(first_place) as first_place, max(largest) as largest"
    added = ", ".join(f"sum({name})::double as {name}" for name in sums.split(", "))
    connection.execute(
        f"create table cells as select {keys}, {added}, {ends} "  # noqa: S608
        f"from parts group by {keys}"
    )
    faults = connection.execute(
        "select fault, sum(decisions)::bigint, min(first_place) from cells "
        "where fault <> '' group by fault"
    ).fetchall()
    rows = connection.execute(
        "select coalesce(sum(decisions), 0)::bigint, max(newest_day), max(largest), "
        "sum(reward_sq) from cells"
    ).fetchall()
    return Log(
        cells=connection.sql(
            "select * exclude (fault, newest_day, first_place, largest) from cells "
            "where fault = '' "
            "order by segment, eligible, action, propensity, bucket, is_holdout, is_current"
        ).to_arrow_table(),
        faults={
            name: (count, Place(rows=count, **(place or _NOWHERE))) for name, count, place in faults
        },
        newest=rows[0][1],
        files=read.files,
        rows=int(rows[0][0]),
        rewards=rewards,
        rewarded=belonging(connection),
        largest=_largest(rows[0][2], rows[0][3]),
    )


def _largest(found: Mapping[str, Any] | None, squares: float) -> Place | None:
    """Return where one reward stands that weighs more than all others, without its amount."""
    if found is None or 2 * found["size"] ** 2 <= squares:
        return None
    return Place(
        file=found["file"],
        row=found["row"],
        column="reward",
        cell="",
        problem="weighs more than all other rewards together",
        rows=1,
    )


def who_withdrew(sources: Sources, base: Path, resolve: Resolver | None = None) -> frozenset[str]:
    """Return the keys of everybody who withdrew."""
    source = sources.withdrawals
    return read_people(source, base, resolve) if source else frozenset()


def make_night(connection: DuckDBPyConnection, **values: Any) -> None:
    """Make `night`, the one row of what the queries have to know."""
    columns = ", ".join(f"${name}{_CASTS.get(name, '')} as {quoted(name)}" for name in values)
    connection.execute(f"create table night as select {columns}", values)


_CASTS: Mapping[str, str] = {
    **dict.fromkeys(("day", "today", "first_day", "last_mature", "in_force_from"), "::date"),
    "max_per_week": "::double",
    "min_gap_days": "::double",
    "segments": "::text[]",
}
