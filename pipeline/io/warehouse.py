"""DuckDB over a run's snapshot: runs sql/ in order, and reads back what it built.

One in-memory connection per step, without access to files or network: the tables are handed
over, and nothing that a source says can reach anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.errors import DamagedError
from pipeline.core.history import History
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray
from pipeline.io.artefacts import RunFolder
from pipeline.io.checks import run_checks
from pipeline.io.engine import add_macros, create, engine, sql_text
from pipeline.io.facts import Facts
from pipeline.io.vintages import VINTAGES, vintage_table

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LINE_DAY = "line_day.parquet"
UNTRUSTED = "untrusted.json"
ROW_FINDINGS = "row_findings.json"
MAX_DAYS = 1_095  # three years: older evidence has faded, and a wild date costs no calendar
MAX_LEVELS = 4
_OUTCOME = "outcome_"
_NUMBERS = ("spend", "budget", "impressions", "clicks")
_SNAPSHOT_COLUMNS = {
    "spend": ("spend", "budget", "currency", "impressions", "clicks"),
    "outcomes": ("currency", "metric", "value"),
}
_KEYS = ("file", "day", "line_1", "line_2", "line_3", "line_4", "dimensions")
_MARTS = ("line", "line_day", "outcome_day", "outcome_cover")


def build(
    work: RunFolder, policy: Policy, day: date, today: date, previous: RunFolder | None = None
) -> None:
    """Stage the snapshot: write `line_day.parquet`, `vintages.parquet` and what rows offend.

    Rows dated `day` or later are left out, so a night over a longer file plans the same. Without
    a usable spend row before `day` nothing is written, which validation reports.

    Args:
        today: the clock's date; a row after it is a fault.
        previous: the run of an earlier night, whose vintages are carried on.
    """
    with staged(work, policy, day, today) as connection:
        findings = run_checks(connection)
        is_small = all(finding.check != "too-many-cells" for finding in findings)
        facts = _query_facts(connection, policy) if is_small else None
    work.write_json(ROW_FINDINGS, [finding.model_dump(mode="json") for finding in findings])
    if facts is None:
        return
    work.write_parquet(LINE_DAY, _line_day_table(facts, policy))
    work.write_parquet(VINTAGES, vintage_table(facts, policy, day, previous))


@contextmanager
def staged(work: RunFolder, policy: Policy, day: date, today: date) -> Iterator[DuckDBPyConnection]:
    """Yield a connection with the snapshot, its typed tables and `night` in it.

    Raises:
        StorageError: the tables do not fit into the memory that a night may use.
    """
    with engine(f"run {work.name}", advice="hand over daily totals per line") as connection:
        for name in ("spend", "outcomes"):
            connection.register(f"{name}_arrow", _snapshot_table(work, name))
            connection.execute(f"create table {name} as from {name}_arrow")
            connection.unregister(f"{name}_arrow")
        connection.execute("set lock_configuration = true")
        add_macros(connection)
        for name in ("stg_spend", "stg_outcomes"):
            create(connection, name, sql_text("staging", name))
        _create_night(connection, policy, day, today)
        yield connection


def read_facts(work: RunFolder) -> Facts:
    """Return the staged tables of a run.

    Raises:
        NotFoundError: the run staged nothing.
        DamagedError: the file is not what `build` writes.
    """
    table = work.read_parquet(LINE_DAY)
    names = table.column_names
    levels = [name for name in names if name.startswith("line_")]
    metrics = [name for name in names if name.startswith(_OUTCOME)]
    columns = {name: table.column(name) for name in names}
    ordinals = columns["day"].cast("int32").to_numpy()
    first, last = int(ordinals.min()), int(ordinals.max())
    n_days = last - first + 1
    if table.num_rows % n_days:
        raise DamagedError(f"run {work.name}: {LINE_DAY} is no unbroken calendar")
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
    A cell whose day the outcomes do not cover is untrusted too; its outcomes are 0 there.
    """
    facts = read_facts(work)
    trusted = np.ones(facts.spend.shape, dtype=bool)
    spend = facts.spend.copy()
    for values in facts.outcomes.values():
        trusted &= np.isfinite(values)
    if work.exists(UNTRUSTED):
        day_index = {day.isoformat(): index for index, day in enumerate(facts.days)}
        line_index = {line: index for index, line in enumerate(facts.lines)}
        for cell in work.read_json(UNTRUSTED):
            row, column = day_index.get(cell["day"]), line_index.get(tuple(cell["line"]))
            if row is None or column is None:
                continue
            trusted[row, column] = False
            if cell["spend"] is not None:
                spend[row, column] = cell["spend"]
    return History(
        days=facts.days,
        lines=facts.lines,
        spend=spend,
        outcomes={name: np.nan_to_num(values) for name, values in facts.outcomes.items()},
        trusted=trusted,
    )


def _create_night(connection: DuckDBPyConnection, policy: Policy, day: date, today: date) -> None:
    """Make the one-row table that says which days and which currency tonight is about."""
    last_day = day - timedelta(days=1)
    oldest = day - timedelta(days=MAX_DAYS)
    found = connection.execute(
        "select min(day) from stg_spend where day between $oldest and $last_day",
        {"oldest": oldest, "last_day": last_day},
    ).fetchall()
    first_day = found[0][0] or last_day
    connection.execute(
        "create table night as select $first_day::date as first_day, $last_day::date as last_day, "
        "$day::date as plan_day, $today::date as today, $currency::text as currency, "
        "$levels::integer as levels",
        {
            "first_day": first_day,
            "last_day": last_day,
            "day": day,
            "today": today,
            "currency": policy.currency,
            "levels": len(policy.line),
        },
    )


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


def _query_facts(connection: DuckDBPyConnection, policy: Policy) -> Facts | None:
    """Run the marts and return them as dense arrays, None when no line has a row."""
    for name in _MARTS:
        create(connection, name, sql_text("marts", name))
    lines = connection.execute("from line order by line_id").fetchall()
    if not lines:
        return None
    days, spend = _spend_arrays(connection, len(lines))
    shape = (len(days), len(lines))
    covered = np.zeros(shape[0], dtype=bool)
    first = days[0].toordinal()
    for (covered_day,) in connection.execute("from outcome_cover").fetchall():
        covered[covered_day.toordinal() - first] = True
    outcomes, has_row = _outcome_arrays(connection, shape, first, covered)
    return Facts(
        days=days,
        lines=tuple(tuple(row[1 : 1 + len(policy.line)]) for row in lines),
        spend=spend["spend"],
        has_spend_row=spend["has_spend_row"].astype(bool),
        budget=spend["budget"],
        impressions=spend["impressions"],
        clicks=spend["clicks"],
        outcomes=outcomes,
        has_outcome_row=has_row,
    )


def _spend_arrays(
    connection: DuckDBPyConnection, n_lines: int
) -> tuple[tuple[date, ...], dict[str, FloatArray]]:
    rows = connection.execute(
        "select spend, budget, impressions, clicks, has_spend_row::double as has_spend_row "
        "from line_day order by line_id, day"
    ).fetchnumpy()
    days = connection.execute("select distinct day from line_day order by day").fetchall()
    arrays = {
        name: np.ascontiguousarray(_filled(rows[name]).reshape(n_lines, len(days)).T)
        for name in (*_NUMBERS, "has_spend_row")
    }
    return tuple(day for (day,) in days), arrays


def _outcome_arrays(
    connection: DuckDBPyConnection, shape: tuple[int, int], first: int, covered: BoolArray
) -> tuple[dict[str, FloatArray], BoolArray]:
    metrics = connection.execute("select distinct metric from outcomes order by metric").fetchall()
    outcomes: dict[str, FloatArray] = {}
    has_row = np.zeros(shape, dtype=bool)
    blank = np.where(covered, 0.0, np.nan)[:, None]
    for (metric,) in metrics:
        rows = connection.execute(
            "select line_id, datediff('day', date '0001-01-01', day) + 1 as ordinal, value "
            "from outcome_day where metric = $metric",
            {"metric": metric},
        ).fetchnumpy()
        table = np.broadcast_to(blank, shape).copy()
        cells = (np.asarray(rows["ordinal"], dtype=int) - first, np.asarray(rows["line_id"], int))
        values = _filled(rows["value"])
        table[cells] = np.where(np.isfinite(values), values, 0.0)
        has_row[cells] = True
        outcomes[str(metric)] = table
    return outcomes, has_row


def _filled(values: Any) -> FloatArray:
    """Return a query's column as floats, null as NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(float), np.nan), dtype=float)
    return np.asarray(values, dtype=float)


def _line_day_table(facts: Facts, policy: Policy) -> pa.Table:
    """Return the staged table, lines in order and days in order within each."""
    import pyarrow as pa

    n_days, n_lines = facts.spend.shape
    epoch = date(1970, 1, 1).toordinal()
    ordinals = np.array([day.toordinal() - epoch for day in facts.days], dtype=np.int32)
    columns: dict[str, Any] = {"day": pa.array(np.tile(ordinals, n_lines)).cast(pa.date32())}
    for level in range(len(policy.line)):
        names = [line[level] for line in facts.lines]
        columns[f"line_{level + 1}"] = pa.array(
            [name for name in names for _ in range(n_days)], pa.string()
        )
    for name in _NUMBERS:
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
