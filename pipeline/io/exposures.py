"""Exposures of creatives: from the source to what the rotation learns from.

`snapshot/exposures.parquet` holds every distinct source row and how often it stood there, without
any person's key; `creative_day.parquet` one row per day, audience and creative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.exposures import Exposures
from pipeline.core.findings import Finding, Level
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder
from pipeline.io.checks import printable
from pipeline.io.engine import add_macros, create, engine, sql_text
from pipeline.io.sources.database import Resolver
from pipeline.io.sources.files import SourceError
from pipeline.io.sources.stream import count_rows, read_people

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SNAPSHOT = "snapshot/exposures.parquet"
SOURCES = "snapshot/sources.json"
CREATIVE_DAY = "creative_day.parquet"
MAX_DAYS = 180  # an older exposure counts for nothing
KEYS = ("date", "audience", "creative")
NUMBERS = ("impressions", "clicks", "conversions", "value")


def snapshot_exposures(
    policy: Policy, base: Path, work: RunFolder, resolve: Resolver | None = None
) -> list[Finding]:
    """Write the snapshot of the exposures and return every problem found on the way.

    People who withdrew are left out; the snapshot does not say who they are.
    """
    source, rules = policy.sources.exposures, policy.rotation
    assert source is not None  # noqa: S101  the policy refuses a rotation without it
    assert rules is not None  # noqa: S101  a night of rotation has its section
    findings: list[Finding] = []
    try:
        withdrawals = policy.sources.withdrawals
        gone = read_people(withdrawals, base, resolve) if withdrawals else frozenset()
        reward = (rules.reward, *(["conversions"] if rules.reward == "value" else []))
        found = count_rows(
            source,
            base,
            needed=(*KEYS, *reward),
            optional=tuple(name for name in NUMBERS if name not in reward),
            person="person",
            withdrawn=gone,
            resolve=resolve,
        )
    except SourceError as error:
        work.write_json(SOURCES, {})
        return [
            Finding(
                level=Level.FAIL,
                check="source",
                message=str(error),
                advice=error.advice,
                source="exposures",
                column=error.column,
            )
        ]
    if gone:
        findings.append(_withdrawn(found.withdrawn, found.rows, "person" in found.columns))
    has_impressions = "impressions" in found.columns
    work.write_parquet(SNAPSHOT, _with_flag(found.table, has_impressions))
    record = {"files": list(found.files), "rows": found.rows, "columns": list(found.columns)}
    work.write_json(SOURCES, {"exposures": record})
    return findings


def build_exposures(work: RunFolder, day: date, today: date) -> list[Finding]:
    """Write `creative_day.parquet` and return what is wrong with rows."""
    with staged_exposures(work.read_parquet(SNAPSHOT), day, today, work.name) as connection:
        create(connection, "creative_day", sql_text("marts", "creative_day"))
        faults = connection.execute(sql_text("marts", "exposure_fault")).fetchall()
        table = connection.sql("from creative_day").to_arrow_table()
    work.write_parquet(CREATIVE_DAY, table)
    return [_fault(*row) for row in faults]


@contextmanager
def staged_exposures(
    snapshot: pa.Table, day: date, today: date, what: str
) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the staged rows and `night` in it."""
    with engine(what, advice="hand over daily totals") as connection:
        _stage(connection, snapshot, day, today)
        yield connection


def read_exposures(
    work: RunFolder, policy: Policy, day: date, creatives: Iterable[str] = ()
) -> Exposures:
    """Return the daily counts as dense tables, with creatives that were never shown as zeros.

    Args:
        creatives: those that the rules list, shown or not.
    """
    table = work.read_parquet(CREATIVE_DAY)
    rules = policy.rotation
    assert rules is not None  # noqa: S101  a night of rotation has its section
    columns = {name: table.column(name).to_pylist() for name in ("audience", "creative", "day")}
    audiences = sorted(set(columns["audience"]))
    names = sorted({*columns["creative"], *creatives})
    first = min(columns["day"])
    days = tuple(first + timedelta(days=index) for index in range((day - first).days))
    place = (
        np.array([(item - first).days for item in columns["day"]], dtype=int),
        np.array([audiences.index(name) for name in columns["audience"]], dtype=int),
        _positions(names, columns["creative"]),
    )
    shape = (len(days), len(audiences), len(names))

    def dense(name: str) -> Any:
        out = np.zeros(shape)
        out[place] = table.column(name).to_numpy()
        return out

    counted = dense("clicks" if rules.reward == "clicks" else "conversions")
    return Exposures(
        days=days,
        audiences=tuple(audiences),
        creatives=tuple(names),
        shown=dense("impressions"),
        rewards=dense("value") if rules.reward == "value" else counted,
        counted=counted,
    )


def suite_columns(work: RunFolder) -> dict[str, Any]:
    """Return the table that the suite speaks of, column by column."""
    table = work.read_parquet(CREATIVE_DAY)
    texts = {
        "day": np.array([item.isoformat() for item in table.column("day").to_pylist()], dtype=str),
        "audience": np.array(table.column("audience").to_pylist(), dtype=str),
        "creative": np.array(table.column("creative").to_pylist(), dtype=str),
    }
    return {**texts, **{name: table.column(name).to_numpy() for name in NUMBERS}}


def _positions(names: list[str], values: list[str]) -> Any:
    index = {name: position for position, name in enumerate(names)}
    return np.array([index[value] for value in values], dtype=int)


def _stage(connection: DuckDBPyConnection, snapshot: pa.Table, day: date, today: date) -> None:
    connection.register("exposures_arrow", snapshot)
    connection.execute("create table exposures as from exposures_arrow")
    connection.unregister("exposures_arrow")
    connection.execute("set lock_configuration = true")
    add_macros(connection)
    connection.execute(
        "create table night as select $first::date as first_day, $last::date as last_day, "
        "$today::date as today",
        {
            "first": day - timedelta(days=MAX_DAYS),
            "last": day - timedelta(days=1),
            "today": today,
        },
    )
    create(connection, "stg_exposures", sql_text("staging", "stg_exposures"))


def _with_flag(table: pa.Table, has_impressions: bool) -> pa.Table:
    import pyarrow as pa

    flags = pa.repeat(pa.scalar(has_impressions), table.num_rows)
    return table.append_column("has_impressions", flags)


def _withdrawn(left_out: int, rows: int, has_person: bool) -> Finding:
    message = (
        f"exposures: {left_out} of {rows} rows belong to people who withdrew; they are not learned "
        "from"
        if has_person
        else "exposures: no column person, so rows name nobody who could withdraw"
    )
    return Finding(level=Level.PASS, check="withdrawals", message=message, source="exposures")


def _fault(fault: str, level: str, rows: int, example: str) -> Finding:
    return Finding(
        level=Level(level),
        check=fault.replace(" ", "-").replace(",", ""),
        message=printable(f"exposures: {fault}: {rows} rows, such as {str(example)[:80]!r}"),
        advice="mend the rows where they are made; docs/portfolio.md says what they hold",
        source="exposures",
    )
