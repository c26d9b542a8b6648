"""Exposures of creatives: from the source to what the rotation learns from.

`snapshot/exposures.parquet` holds every distinct source row and how often it stood there, without
any person's key; `snapshot/exposed_people.parquet` how many people saw a creative of an audience at
least, where rows name them; `creative_day.parquet` one row per day, audience and creative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.exposures import Exposures, HeldOut
from pipeline.core.findings import Finding
from pipeline.core.policy import Policy
from pipeline.io.alike import alike_findings
from pipeline.io.artefacts import RunFolder
from pipeline.io.engine import create, sql_text
from pipeline.io.newest import newest_day_findings
from pipeline.io.people_rows import read_counted, row_faults, staged_rows
from pipeline.io.sources.database import Resolver

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SNAPSHOT = "snapshot/exposures.parquet"
PEOPLE = "snapshot/exposed_people.parquet"
CREATIVE_DAY = "creative_day.parquet"
HOLDOUT_DAY = "holdout_day.parquet"
MAX_DAYS = 180  # an older exposure counts for nothing
KEYS = ("date", "audience", "creative")
NUMBERS = ("impressions", "clicks", "conversions", "value")
HOLDOUT = "holdout"


def snapshot_exposures(
    policy: Policy, base: Path, work: RunFolder, resolve: Resolver | None = None
) -> list[Finding]:
    """Write the snapshot of the exposures and return every problem found on the way.

    People who withdrew are left out; the snapshot does not say who they are.
    """
    source, rules = policy.sources.exposures, policy.rotation
    assert source is not None  # noqa: S101  the policy refuses a rotation without it
    assert rules is not None  # noqa: S101  a night of rotation has its section
    reward = (rules.reward, *(["conversions"] if rules.reward == "value" else []))
    found, findings = read_counted(
        policy,
        source,
        "exposures",
        base,
        work,
        needed=(*KEYS, *reward),
        optional=(*(name for name in NUMBERS if name not in reward), HOLDOUT),
        resolve=resolve,
        groups=("audience", "creative"),
    )
    if found is not None and found.people is not None:
        work.write_parquet(PEOPLE, found.people)
    if found is not None:
        work.write_parquet(SNAPSHOT, _with_flag(found.table, "impressions" in found.columns))
    return findings


def build_exposures(work: RunFolder, day: date, today: date) -> list[Finding]:
    """Write `creative_day.parquet` and return what is wrong with rows."""
    with staged_exposures(work.read_parquet(SNAPSHOT), day, today, work.name) as connection:
        create(connection, "creative_day", sql_text("marts", "creative_day"))
        create(connection, "holdout_day", sql_text("marts", "holdout_day"))
        faults = row_faults(connection, "exposure_fault", "exposures", "docs/rotation.md")
        table = connection.sql("from creative_day").to_arrow_table()
        held = connection.sql("from holdout_day").to_arrow_table()
    work.write_parquet(CREATIVE_DAY, table)
    work.write_parquet(HOLDOUT_DAY, held)
    alike = [
        finding
        for column in ("audience", "creative")
        for finding in alike_findings("exposures", column, table.column(column).to_pylist())
    ]
    return [*faults, *alike, *_stale(table, day)]


def _stale(table: pa.Table, day: date) -> list[Finding]:
    newest = max(table.column("day").to_pylist(), default=None)
    return newest_day_findings(
        "exposures",
        newest,
        day,
        "the shares rest on older days",
        stops=True,
        advice="fetch the source again when the platform has finished the day",
    )


@contextmanager
def staged_exposures(
    snapshot: pa.Table, day: date, today: date, what: str
) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the staged rows and `night` in it."""
    with staged_rows(snapshot, "exposures", day, today, max_days=MAX_DAYS, what=what) as connection:
        create(connection, "stg_exposures", sql_text("staging", "stg_exposures"))
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


def people_shown(work: RunFolder) -> dict[tuple[str, str], float]:
    """Return audience and creative -> how many people saw it at least; empty where unknown."""
    if not work.exists(PEOPLE):
        return {}
    rows = work.read_parquet(PEOPLE).to_pylist()
    return {(row["audience"], row["creative"]): float(row["people"]) for row in rows}


def read_holdout(work: RunFolder, policy: Policy, seen: Exposures) -> HeldOut:
    """Return what people held out brought, on the days and in the audiences of the exposures."""
    table = work.read_parquet(HOLDOUT_DAY)
    rules = policy.rotation
    assert rules is not None  # noqa: S101  a night of rotation has its section
    found = {name: np.zeros((len(seen.days), len(seen.audiences))) for name in NUMBERS}
    for row in table.to_pylist():
        day = (row["day"] - seen.days[0]).days
        if day >= 0 and row["audience"] in seen.audiences:
            for name, values in found.items():
                values[day, seen.audiences.index(row["audience"])] = row[name]
    return HeldOut(shown=found["impressions"], rewards=found[rules.reward])


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


def _with_flag(table: pa.Table, has_impressions: bool) -> pa.Table:
    import pyarrow as pa

    flags = pa.repeat(pa.scalar(has_impressions), table.num_rows)
    return table.append_column("has_impressions", flags)
