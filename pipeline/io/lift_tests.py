"""Lift tests of a run, as evidence: who was treated, when, and what it showed."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipeline.core.history import LiftTest
from pipeline.io.artefacts import RunFolder
from pipeline.io.facts import Facts

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LIFT_TESTS = "lift_tests.parquet"


def lift_test_table(connection: DuckDBPyConnection) -> pa.Table:
    """Return the mart `lift_test` of a staged connection."""
    found: pa.Table = connection.sql("from lift_test order by file, row, line_id").to_arrow_table()
    return found


def read_lift_tests(work: RunFolder, facts: Facts, objective: str) -> tuple[LiftTest, ...]:
    """Return the run's lift tests, none where it has no such source.

    Args:
        facts: of the same run; says what `all` the money of a window was.
        objective: the metric of tests that name none.
    """
    if not work.exists(LIFT_TESTS):
        return ()
    rows: list[dict[str, Any]] = work.read_parquet(LIFT_TESTS).to_pylist()
    tests = []
    for _, group in groupby(rows, key=lambda row: (row["file"], row["row"])):
        treated = list(group)
        row, lines = treated[0], [item["line_id"] for item in treated]
        begin = (row["first_day"] - facts.days[0]).days
        end = (row["last_day"] - facts.days[0]).days + 1
        money = float(facts.spend[begin:end, lines].sum())
        change = money if row["is_all_spend"] else float(row["spend_change"])
        if change == 0:
            continue  # all of nothing: the lines were off, and the test says nothing
        tests.append(
            LiftTest(
                lines=tuple(facts.lines[index] for index in lines),
                first_day=row["first_day"],
                last_day=row["last_day"],
                lift=float(row["lift"]),
                standard_error=float(row["standard_error"]),
                spend_change=change,
                name=str(row["name"]),
                metric=str(row["metric"]) or objective,
            )
        )
    return tuple(tests)
