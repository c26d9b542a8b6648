"""DuckDB over a run's snapshot: runs sql/ in order, and reads back what it built.

One in-memory connection per step, without access to files or network: the tables are handed
over, and nothing that a source says can reach anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import DamagedError
from pipeline.core.findings import Finding, Level
from pipeline.core.history import History, LeadSeries, Measured
from pipeline.core.objective import SPEND_LEADS
from pipeline.core.policy import Policy, measured_levels
from pipeline.core.types import BoolArray, FloatArray
from pipeline.io.artefacts import RunFolder
from pipeline.io.checks import run_checks
from pipeline.io.engine import add_macros, create, engine, sql_text
from pipeline.io.facts import Facts
from pipeline.io.lift_tests import LIFT_TESTS, lift_test_table
from pipeline.io.marts import NUMBERS, create_marts, query_facts
from pipeline.io.special_days import read_special_days
from pipeline.io.vintages import VINTAGES, goes_on, read_vintages, vintage_table

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LINE_DAY = "line_day.parquet"
UNIT_DAY = "unit_day.parquet"
"""The same table of what outcomes are known by, where they are not known line by line."""
UNTRUSTED = "untrusted.json"
ROW_FINDINGS = "row_findings.json"
MAX_DAYS = 1_095  # three years: older evidence has faded, and a wild date costs no calendar
MAX_LEVELS = 4
_OUTCOME = "outcome_"
_SNAPSHOT_COLUMNS = {
    "spend": ("spend", "budget", "currency", "impressions", "clicks"),
    "outcomes": ("currency", "metric", "value"),
    "experiments": (
        "from", "to", "lift", "standard_error", "spend_change", "name", "metric", "currency",
    ),
}  # fmt: skip
_KEYS = ("file", "day", "line_1", "line_2", "line_3", "line_4", "dimensions")


def build(
    work: RunFolder, policy: Policy, day: date, today: date, previous: RunFolder | None = None
) -> None:
    """Stage the snapshot: write `line_day.parquet`, `vintages.parquet` and what rows offend.

    Rows dated `day` or later are left out, so a night over a longer file plans the same; only that
    it was read later is kept. Without
    a usable spend row before `day` nothing is written, which validation reports.

    Args:
        today: the clock's date, or `day` if later; a row after it is a fault.
        previous: the run of an earlier night, whose vintages are carried on.
    """
    with staged(work, policy, day, today) as connection:
        findings = [*run_checks(connection), *_too_old(connection, day)]
        read_on = today if goes_on(connection, day) else day
        is_small = all(finding.check != "too-many-cells" for finding in findings)
        if is_small:
            create_marts(connection)
        facts = query_facts(connection, policy) if is_small else None
        if facts is not None and policy.sources.experiments is not None:
            work.write_parquet(LIFT_TESTS, lift_test_table(connection))
    work.write_json(ROW_FINDINGS, [finding.model_dump(mode="json") for finding in findings])
    if facts is None:
        return
    work.write_parquet(LINE_DAY, _line_day_table(facts))
    if facts.measured is not None:
        work.write_parquet(UNIT_DAY, _line_day_table(facts.measured))
    work.write_parquet(VINTAGES, vintage_table(facts.outcome_side, policy, day, read_on, previous))


@contextmanager
def staged(work: RunFolder, policy: Policy, day: date, today: date) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the snapshot, its typed tables and `night` in it.

    Raises:
        StorageError: the tables do not fit into the memory that a night may use.
    """
    with engine(f"run {work.name}", advice="hand over daily totals per line") as connection:
        connection.execute("set lock_configuration = true")
        controls = list(policy.sources.outcomes.controls)
        connection.execute(
            "create table control as select unnest($names::text[]) as metric", {"names": controls}
        )
        add_macros(connection)
        for name in _SNAPSHOT_COLUMNS:
            connection.register(name, _snapshot_table(work, name))
            create(connection, f"stg_{name}", sql_text("staging", f"stg_{name}"))
            connection.unregister(name)
        _create_night(connection, policy, day, today)
        yield connection


def read_facts(work: RunFolder) -> Facts:
    """Return the staged tables of a run.

    Raises:
        NotFoundError: the run staged nothing.
        DamagedError: the file is not what `build` writes.
    """
    facts = _read_table(work, LINE_DAY)
    if not work.exists(UNIT_DAY):
        return facts
    return replace(facts, measured=_read_table(work, UNIT_DAY))


def read_likely_facts(work: RunFolder) -> Facts:
    """Return the staged tables of a run, with the likely spend wherever the source's is in doubt.

    What was spent by now is asked of these: a lost day was not free, and a slip of a decimal point
    was not paid.
    """
    facts = read_facts(work)
    return replace(facts, spend=_trusted(facts, _doubted(work))[0])


def _read_table(work: RunFolder, file: str) -> Facts:
    table = work.read_parquet(file)
    names = table.column_names
    levels = [name for name in names if name.startswith("line_")]
    metrics = [name for name in names if name.startswith(_OUTCOME)]
    columns = {name: table.column(name) for name in names}
    ordinals = columns["day"].cast("int32").to_numpy()
    first, last = int(ordinals.min()), int(ordinals.max())
    n_days = last - first + 1
    if table.num_rows % n_days:
        raise DamagedError(f"run {work.name}: {file} is no unbroken calendar")
    n_lines = table.num_rows // n_days
    epoch = date(1970, 1, 1)
    firsts = table.slice(0, table.num_rows).take(list(range(0, table.num_rows, n_days)))
    lines = zip(*(firsts.column(level).to_pylist() for level in levels), strict=True)

    def dense(name: str) -> FloatArray:
        values = columns[name].to_numpy().astype(float)
        return np.ascontiguousarray(values.reshape(n_lines, n_days).T)

    def flags(name: str) -> BoolArray:
        values = np.asarray(columns[name].to_numpy(zero_copy_only=False), dtype=bool)
        return np.ascontiguousarray(values.reshape(n_lines, n_days).T)

    return Facts(
        days=tuple(epoch + timedelta(days=first + index) for index in range(n_days)),
        lines=tuple(tuple(str(value) for value in line) for line in lines),
        spend=dense("spend"),
        has_spend_row=flags("has_spend_row"),
        budget=dense("budget"),
        impressions=dense("impressions"),
        clicks=dense("clicks"),
        outcomes={name.removeprefix(_OUTCOME): dense(name) for name in metrics},
        has_outcome_row=flags("has_outcome_row"),
    )


def read_history(work: RunFolder, policy: Policy) -> History:
    """Return what the model reads: the staged tables without the cells that were not trusted.

    Where the spend itself was in doubt, the likely amount stands in its place, for the carry-over.
    A cell whose day the outcomes do not cover is untrusted too; its outcomes are 0 there, but what
    is not known of a control stays unknown.
    """
    facts = read_facts(work)
    doubted = _doubted(work)
    spend, trusted = _trusted(facts, doubted)
    history = History(
        days=facts.days,
        lines=facts.lines,
        spend=spend,
        outcomes={name: np.nan_to_num(values) for name, values in facts.outcomes.items()},
        trusted=trusted,
        leads={name: _lead(work, facts, name) for name in policy.objective.leads},
        special=read_special_days(work),
    )
    levels = measured_levels(policy)
    if levels is None or facts.measured is None:
        return history
    measured = _measured(facts.measured, policy, levels, doubted)
    unit = measured.unit_of(facts.lines)
    return replace(history, measured=measured, trusted=trusted & (unit >= 0))


def _doubted(work: RunFolder) -> Any:
    return work.read_json(UNTRUSTED) if work.exists(UNTRUSTED) else []


def _lead(work: RunFolder, facts: Facts, name: str) -> LeadSeries:
    """Return a lead; what the platforms count as they spend is whole at once."""
    if name in SPEND_LEADS:
        return LeadSeries(table=np.nan_to_num(getattr(facts, name)))
    table = np.nan_to_num(facts.outcomes.get(name, np.zeros(facts.spend.shape)))
    return LeadSeries(table=table, vintages=read_vintages(work, name))


def _trusted(facts: Facts, doubted: Any) -> tuple[FloatArray, BoolArray]:
    """Return the likely spend, and which cells of a table may teach."""
    trusted = np.ones(facts.spend.shape, dtype=bool)
    spend = facts.spend.copy()
    for values in facts.outcomes.values():
        trusted &= np.isfinite(values)
    day_index = {day.isoformat(): index for index, day in enumerate(facts.days)}
    line_index = {line: index for index, line in enumerate(facts.lines)}
    for cell in doubted:
        row, column = day_index.get(cell["day"]), line_index.get(tuple(cell["line"]))
        if row is None or column is None:
            continue
        trusted[row, column] = False
        if cell["spend"] is not None:
            spend[row, column] = cell["spend"]
    return spend, trusted


def _measured(units: Facts, policy: Policy, levels: tuple[int, ...], doubted: Any) -> Measured:
    """Return the outcomes of groups of lines, and what else moves them.

    A cell is doubted here by the name of its group: where spend of a line is in doubt, its likely
    amount stands for it and the group's outcome teaches all the same.
    """
    controls = policy.sources.outcomes.controls
    outcomes = {name: table for name, table in units.outcomes.items() if name not in controls}
    trusted = _trusted(replace(units, outcomes=outcomes), doubted)[1]
    # Before a group's first row nobody says that it sold nothing; other groups' rows do not.
    trusted &= np.maximum.accumulate(units.has_outcome_row, axis=0)
    return Measured(
        levels=levels,
        units=units.lines,
        outcomes={name: np.nan_to_num(table) for name, table in outcomes.items()},
        controls={name: table for name, table in units.outcomes.items() if name in controls},
        trusted=trusted,
        period_days=policy.sources.period_days,
    )


def _create_night(connection: DuckDBPyConnection, policy: Policy, day: date, today: date) -> None:
    """Make the one-row table that says which days and which currency tonight is about."""
    last_day = day - timedelta(days=1)
    oldest = day - timedelta(days=MAX_DAYS)
    period_days = policy.sources.period_days
    found = connection.execute(
        "select min(day) filter (day >= $oldest), max(day) from stg_spend where day <= $last_day",
        {"oldest": oldest, "last_day": last_day},
    ).fetchall()
    first_day, newest = found[0]
    if first_day is None:  # rows that are all too old still say on which weekday weeks begin
        first_day = last_day - timedelta(days=(last_day - (newest or last_day)).days % period_days)
    last_day -= timedelta(days=(day - first_day).days % period_days)  # whole weeks only
    levels = measured_levels(policy)
    known = [levels is None or level in levels for level in range(MAX_LEVELS)]
    connection.execute(
        "create table night as select $first_day::date as first_day, $last_day::date as last_day, "
        "$day::date as plan_day, $today::date as today, $currency::text as currency, "
        "$levels::integer as levels, $period_days::integer as period_days, "
        "$by_1::boolean as by_1, $by_2::boolean as by_2, $by_3::boolean as by_3, "
        "$by_4::boolean as by_4",
        {
            "first_day": first_day,
            "last_day": last_day,
            "day": day,
            "today": today,
            "currency": policy.currency,
            "levels": len(policy.line),
            "period_days": period_days,
            **{f"by_{level + 1}": is_known for level, is_known in enumerate(known)},
        },
    )
    connection.execute(
        "create table part as select range::integer as number from range($period_days)",
        {"period_days": period_days},
    )


def _too_old(connection: DuckDBPyConnection, day: date) -> list[Finding]:
    """Return how many rows are older than anything that is learned from, nothing where none is."""
    oldest = day - timedelta(days=MAX_DAYS)
    found = []
    for source in ("spend", "outcomes"):
        old = connection.table(f"stg_{source}").filter(f"day < date '{oldest}'")
        counted = old.aggregate("count(distinct (file, row)) as n").fetchall()
        if count := int(counted[0][0]):
            found.append(
                Finding(
                    level=Level.PASS,
                    check="too-old",
                    message=f"{source}: rows before {oldest} are left out ({count:,}); curves are "
                    f"learned from the newest {MAX_DAYS:,} days",
                    source=source,
                    column="date",
                    value=str(count),
                )
            )
    return found


def _snapshot_table(work: RunFolder, name: str) -> pa.Table:
    """Return the snapshot of a source, without rows where it could not be read."""
    import pyarrow as pa

    file = f"snapshot/{name}.parquet"
    if work.exists(file):
        return work.read_parquet(file)
    texts = (*_KEYS, *_SNAPSHOT_COLUMNS[name])
    empty = {column: pa.array([], pa.string()) for column in texts}
    counters = {"row": pa.array([], pa.int64()), "is_repeat": pa.array([], pa.bool_())}
    return pa.table({**empty, **counters})


def _line_day_table(facts: Facts) -> pa.Table:
    """Return the staged table, lines in order and days in order within each."""
    import pyarrow as pa

    n_days, n_lines = facts.spend.shape
    epoch = date(1970, 1, 1).toordinal()
    ordinals = np.array([day.toordinal() - epoch for day in facts.days], dtype=np.int32)
    columns: dict[str, Any] = {"day": pa.array(np.tile(ordinals, n_lines)).cast(pa.date32())}
    for level in range(len(facts.lines[0])):
        names = [line[level] for line in facts.lines]
        columns[f"line_{level + 1}"] = pa.array(
            [name for name in names for _ in range(n_days)], pa.string()
        )
    for name in NUMBERS:
        columns[name] = _flat(getattr(facts, name))
    columns["has_spend_row"] = pa.array(facts.has_spend_row.T.ravel())
    columns["has_outcome_row"] = pa.array(facts.has_outcome_row.T.ravel())
    for metric, values in facts.outcomes.items():
        columns[f"{_OUTCOME}{metric}"] = _flat(values)
    return pa.table(columns)


def _flat(values: FloatArray) -> Any:
    import pyarrow as pa

    flat = values.T.ravel()
    return pa.array(flat, mask=np.isnan(flat))
