from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from pipeline.io import engine, warehouse
from pipeline.io.artefacts import RunFolder, begin_run
from pipeline.io.sources import read_snapshot
from pipeline.io.vintages import read_vintages
from pipeline.response.maturity import learn_maturity

DAY = date(2026, 3, 2)


def build(tables: Any, work: RunFolder, day: date = DAY, **options: Any) -> None:
    tables.write()
    policy = tables.policy()
    assert read_snapshot(policy, tables.folder, work) == []
    warehouse.build(work, policy, day, options.pop("today", day), **options)


def test_the_calendar_is_unbroken_and_ends_the_day_before(tables: Any, work: RunFolder) -> None:
    gone = (DAY - timedelta(days=10)).isoformat()
    tables.spend = [row for row in tables.spend if row["date"] != gone]
    build(tables, work)
    facts = warehouse.read_facts(work)
    assert facts.days[-1] == DAY - timedelta(days=1)
    assert len(facts.days) == 60
    assert facts.lines == (
        ("search", "a1"),
        ("search", "a2"),
        ("social", "a1"),
        ("social", "a2"),
    )
    assert not facts.has_spend_row[-10].any()
    assert facts.spend[-10].sum() == 0


def test_each_cell_is_the_rows_of_its_day_and_line(tables: Any, work: RunFolder) -> None:
    build(tables, work)
    facts = warehouse.read_facts(work)
    for row in tables.spend:
        day = facts.days.index(date.fromisoformat(row["date"]))
        line = facts.lines.index((row["channel"], row["audience"]))
        assert facts.spend[day, line] == row["spend"]
        assert facts.clicks[day, line] == row["clicks"]
        assert np.isnan(facts.budget[day, line])


def test_parts_of_a_line_are_summed_and_a_repeated_budget_is_one(
    tables: Any, work: RunFolder
) -> None:
    for row in tables.spend:
        row["placement"], row["budget"] = "top", 500
    extra = {**tables.spend[-1], "placement": "side", "spend": 5}
    tables.spend.append(extra)
    build(tables, work)
    facts = warehouse.read_facts(work)
    assert facts.spend[-1, 3] == pytest.approx(tables.spend[-2]["spend"] + 5)
    assert facts.budget[-1, 3] == 500


def test_no_outcome_row_is_zero_on_a_covered_day_and_unknown_on_another(
    tables: Any, work: RunFolder
) -> None:
    uncovered = (DAY - timedelta(days=5)).isoformat()
    sparse = tables.cell(tables.outcomes, 7, "social", "a2")
    tables.outcomes = [
        row for row in tables.outcomes if row["date"] != uncovered and row is not sparse
    ]
    build(tables, work)
    facts = warehouse.read_facts(work)
    assert np.isnan(facts.outcomes["revenue"][-5]).all()
    assert facts.outcomes["revenue"][-7, 3] == 0
    assert not facts.has_outcome_row[-7, 3]
    history = warehouse.read_history(work, tables.policy())
    assert not history.trusted[-5].any()
    assert history.trusted[-7].all()
    assert np.isfinite(history.outcomes["revenue"]).all()


def test_later_rows_do_not_change_a_night(tables: Any, tmp_path: Path) -> None:
    whole = begin_run(str(tmp_path / "runs"), "whole")
    build(tables, whole, DAY - timedelta(days=10), today=DAY)
    cut = begin_run(str(tmp_path / "runs"), "cut")
    limit = (DAY - timedelta(days=10)).isoformat()
    tables.spend = [row for row in tables.spend if row["date"] < limit]
    tables.outcomes = [row for row in tables.outcomes if row["date"] < limit]
    build(tables, cut, DAY - timedelta(days=10), today=DAY)
    for name in ("line_day.parquet", "row_findings.json"):
        assert whole.read_bytes(name) == cut.read_bytes(name)
    seen, alike = (run.read_parquet("vintages.parquet") for run in (whole, cut))
    assert seen.drop(["late_days"]).equals(alike.drop(["late_days"]))
    assert set(seen["late_days"].to_pylist()) == {10}  # read when more had come in


def test_the_order_of_rows_does_not_change_a_bit(tables: Any, tmp_path: Path) -> None:
    for row in (*tables.spend, *tables.outcomes):
        row["placement"] = "top"
    for row in list(tables.spend):
        for part in range(3):
            tables.spend.append({**row, "placement": f"p{part}", "spend": 0.1 * (part + 1)})
    seen = set()
    for seed in range(3):
        random.Random(seed).shuffle(tables.spend)
        random.Random(seed).shuffle(tables.outcomes)
        work = begin_run(str(tmp_path / "runs"), f"order{seed}")
        build(tables, work)
        seen.add(work.read_bytes("line_day.parquet"))
    assert len(seen) == 1


def test_a_wild_date_costs_no_endless_calendar(tables: Any, work: RunFolder) -> None:
    tables.spend.insert(0, {**tables.spend[0], "date": "1900-01-01"})
    build(tables, work)
    assert len(warehouse.read_facts(work).days) == 60


def test_nothing_is_staged_without_a_row_before_the_day(tables: Any, work: RunFolder) -> None:
    build(tables, work, date(2020, 1, 1), today=DAY)
    assert not work.exists("line_day.parquet")


def test_each_night_adds_its_vintage(tables: Any, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    previous = None
    for back in (2, 1, 0):
        work = begin_run(runs, f"night{back}")
        build(tables, work, DAY - timedelta(days=back), today=DAY, previous=previous)
        previous = work.complete(f"run{back}")
    assert previous is not None
    seen = read_vintages(previous, "revenue")
    assert set(seen.seen_on) == {(DAY - timedelta(days=back)).toordinal() for back in (0, 1, 2)}
    assert set(seen.group) == {"search", "social"}
    facts = warehouse.read_facts(previous)
    newest = (seen.seen_on == DAY.toordinal()) & (seen.day == DAY.toordinal() - 1)
    assert seen.outcome[newest].sum() == pytest.approx(facts.outcomes["revenue"][-1].sum())
    assert read_vintages(previous, "conversions").day.size == seen.day.size
    assert read_vintages(previous, "nothing").day.size == 0


def test_how_late_a_night_was_is_kept_with_what_it_saw(tables: Any, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    previous = None
    for back in (2, 1, 0):
        work = begin_run(runs, f"night{back}")
        build(tables, work, DAY - timedelta(days=back), today=DAY, previous=previous)
        previous = work.complete(f"run{back}")
    assert previous is not None
    seen = read_vintages(previous, "revenue")
    np.testing.assert_array_equal(seen.late_days, DAY.toordinal() - seen.seen_on)
    learned = learn_maturity(seen, 60, ("search", "social"))
    expected = learn_maturity(None, 60, ("search", "social"))
    assert learned.snapshots == 0
    np.testing.assert_array_equal(learned.share, expected.share)


def test_outcomes_that_end_the_day_before_are_of_that_morning_whenever_the_night_runs(
    tables: Any, tmp_path: Path
) -> None:
    runs = str(tmp_path / "runs")
    previous, rows = None, list(tables.outcomes)
    for back in (2, 1, 0):
        day = DAY - timedelta(days=back)
        tables.outcomes = [row for row in rows if row["date"] < day.isoformat()]
        work = begin_run(runs, f"night{back}")
        build(tables, work, day, today=DAY + timedelta(days=100), previous=previous)
        previous = work.complete(f"run{back}")
    assert previous is not None
    seen = read_vintages(previous, "revenue")
    assert not np.any(seen.late_days)
    assert learn_maturity(seen, 60, ("search", "social")).snapshots == 3


def test_a_run_that_did_not_keep_how_late_it_was_is_carried_on(tables: Any, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    old = begin_run(runs, "old")
    build(tables, old, DAY - timedelta(days=1))
    old.write_parquet("vintages.parquet", old.read_parquet("vintages.parquet").drop(["late_days"]))
    work = begin_run(runs, "new")
    build(tables, work, DAY, previous=old.complete("run"))
    seen = read_vintages(work, "revenue")
    assert len(set(seen.seen_on)) == 2
    assert not np.any(seen.late_days)


def test_the_engine_reaches_neither_files_nor_network(tables: Any, work: RunFolder) -> None:
    build(tables, work)
    secret = tables.folder / "secret.csv"
    secret.write_text("a\n1\n")
    with warehouse.staged(work, tables.policy(), DAY, DAY) as connection:
        for statement in (
            f"select * from read_csv('{secret}')",
            f"attach '{tables.folder}/x.db'",
            f"copy spend to '{tables.folder}/out.csv'",
            "set enable_external_access = true",
            "install httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement).fetchall()
    assert not (tables.folder / "out.csv").exists()


@pytest.mark.parametrize("name", ['a"b', "x; drop table spend", "select", ""])
def test_a_quoted_identifier_is_only_a_name(name: str) -> None:
    connection = duckdb.connect(":memory:")
    row = connection.sql(f"select 1 as {engine.quoted(name or 'e')}")
    assert row.columns == [name or "e"]
