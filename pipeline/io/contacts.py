"""Contacts with people: from the source to what the cadence learns from.

`snapshot/contacts.parquet` holds every distinct source row and how often it stood there, without
any person's key; `segment_day.parquet` one row per day, segment, dose and bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.contacts import COUNTS, Contacts
from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.core.types import FloatArray, Line
from pipeline.io.alike import alike_findings
from pipeline.io.artefacts import RunFolder
from pipeline.io.engine import create, sql_text
from pipeline.io.newest import newest_day_findings
from pipeline.io.people_rows import read_counted, row_faults, staged_rows
from pipeline.io.sources.database import Resolver

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SNAPSHOT = "snapshot/contacts.parquet"
SEGMENT_DAY = "segment_day.parquet"
MAX_DAYS = 366  # an older contact says little of what one earns today
LEVELS = ("line_1", "line_2", "line_3", "line_4")
NUMBERS = ("persons", "touches", "must_send", "conversions", "value", "leavers")
TEXTS = ("date", *LEVELS, "dose", "bucket", *NUMBERS)
NOT_DRAWN = -1


def snapshot_contacts(
    policy: Policy, base: Path, work: RunFolder, resolve: Resolver | None = None
) -> list[Finding]:
    """Write the snapshot of the contacts and return every problem found on the way.

    People who withdrew are left out; the snapshot does not say who they are.
    """
    source, rules = policy.sources.contacts, policy.cadence
    assert source is not None  # noqa: S101  the policy refuses a cadence without it
    assert rules is not None  # noqa: S101  a night of cadence has its section
    needed = ("date", *rules.segment, "touches", "leavers", rules.reward)
    optional = ("dose", "bucket", *(name for name in NUMBERS if name not in needed))
    found, findings = read_counted(
        policy,
        source,
        "contacts",
        base,
        work,
        needed=needed,
        optional=optional,
        resolve=resolve,
    )
    if found is None:
        return findings
    work.write_parquet(SNAPSHOT, _named(found.table, rules.segment, "persons" in found.columns))
    return [*findings, *_lottery(found.columns)]


def build_contacts(work: RunFolder, policy: Policy, day: date, today: date) -> list[Finding]:
    """Write `segment_day.parquet` and return what is wrong with rows."""
    assert policy.cadence is not None  # noqa: S101  a night of cadence has its section
    levels = len(policy.cadence.segment)
    with staged_contacts(work.read_parquet(SNAPSHOT), levels, day, today, work.name) as connection:
        names = dict(zip(LEVELS, policy.cadence.segment, strict=False))
        faults = row_faults(connection, "contact_fault", "contacts", "docs/cadence.md", names)
        table = connection.sql("from segment_day").to_arrow_table()
    work.write_parquet(SEGMENT_DAY, table)
    stale = newest_day_findings(
        "contacts",
        max(table.column("day").to_pylist(), default=None),
        day,
        "the cadence rests on older days",
        stops=True,
        advice="fetch the source again",
    )
    alike = [
        finding
        for level, column in names.items()
        for finding in alike_findings("contacts", column, table.column(level).to_pylist())
    ]
    return [*faults, *alike, *stale]


@contextmanager
def staged_contacts(
    snapshot: pa.Table, levels: int, day: date, today: date, what: str
) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the staged rows, their daily table and `night` in it."""
    with staged_rows(snapshot, "contacts", day, today, max_days=MAX_DAYS, what=what) as connection:
        connection.execute(
            "create table segment_column as select $levels::integer as number", {"levels": levels}
        )
        create(connection, "stg_contacts", sql_text("staging", "stg_contacts"))
        create(connection, "segment_day", sql_text("marts", "segment_day"))
        yield connection


def read_contacts(work: RunFolder, policy: Policy, day: date, top: int) -> Contacts:
    """Return the daily counts as dense tables, from the first day with a row to yesterday.

    Args:
        top: the highest dose that is told apart; people on a higher one count as not drawn.
    """
    rules = policy.cadence
    assert rules is not None  # noqa: S101  a night of cadence has its section
    table = work.read_parquet(SEGMENT_DAY)
    names = _segments(table, len(rules.segment))
    segments = tuple(sorted(set(names)))
    buckets = sorted(set(table.column("bucket").to_pylist()))
    recorded = table.column("day").to_pylist()
    first = min(recorded)
    days = tuple(first + timedelta(days=index) for index in range((day - first).days))
    at = {
        "day": np.array([(item - first).days for item in recorded], dtype=int),
        "segment": _positions(segments, names),
        "bucket": _positions(buckets, table.column("bucket").to_pylist()),
        "dose": table.column("dose").to_numpy().astype(int),
    }
    drawn = (at["dose"] != NOT_DRAWN) & (at["dose"] <= top)
    flat = (len(days), len(segments))
    columns = dict(zip(COUNTS, ("persons", "touches", rules.reward, "leavers"), strict=True))

    def dense(name: str, rows: Any, *, deep: bool) -> FloatArray:
        out = np.zeros((*flat, top + 1, len(buckets)) if deep else flat)
        axes = ("day", "segment", "dose", "bucket") if deep else ("day", "segment")
        np.add.at(out, tuple(at[axis][rows] for axis in axes), table.column(name).to_numpy()[rows])
        return out

    return Contacts(
        days=days,
        segments=segments,
        drawn={name: dense(column, drawn, deep=True) for name, column in columns.items()},
        rest={name: dense(column, ~drawn, deep=False) for name, column in columns.items()},
        must_send=dense("must_send", np.ones(len(recorded), dtype=bool), deep=False),
    )


def suite_columns(work: RunFolder, levels: int) -> dict[str, Any]:
    """Return the table that the suite speaks of, column by column."""
    table = work.read_parquet(SEGMENT_DAY)
    texts = {
        "day": np.array([item.isoformat() for item in table.column("day").to_pylist()], dtype=str),
        "segment": np.array([" / ".join(name) for name in _segments(table, levels)], dtype=str),
        "bucket": np.array(table.column("bucket").to_pylist(), dtype=str),
    }
    numbers = {name: table.column(name).to_numpy() for name in ("dose", *NUMBERS)}
    return {**texts, **numbers}


def _segments(table: pa.Table, levels: int) -> list[Line]:
    columns = [table.column(level).to_pylist() for level in LEVELS[:levels]]
    return list(zip(*columns, strict=True))


def _positions(names: Any, values: list[Any]) -> Any:
    index = {name: position for position, name in enumerate(names)}
    return np.array([index[value] for value in values], dtype=int)


def _named(table: pa.Table, segment: tuple[str, ...], has_persons: bool) -> pa.Table:
    """Return the snapshot in the names that staging reads, whatever the segments are called."""
    import pyarrow as pa

    names = dict(zip(segment, LEVELS, strict=False))
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    for name in TEXTS:
        if name not in table.column_names:
            empty = pa.repeat(pa.scalar(""), table.num_rows)
            table = table.append_column(name, empty)
    flags = pa.repeat(pa.scalar(has_persons), table.num_rows)
    return table.append_column("has_persons", flags)


def _lottery(columns: tuple[str, ...]) -> list[Finding]:
    """Return what the signer should know where doses were not drawn."""
    missing = [name for name in ("dose", "bucket") if name not in columns]
    if not missing:
        return []
    return [
        Finding(
            level=Level.REVIEW,
            check="lottery",
            message=f"contacts: no column {' and '.join(missing)}, so no effect of touches can "
            "be learned and every cadence stays",
            advice="draw doses as the published cadence says, and write dose and bucket; see "
            "docs/cadence.md",
            source="contacts",
        )
    ]
