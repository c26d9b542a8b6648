"""Rows that span a week are judged against other weeks: their own days are all alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io import warehouse
from tests.io.conftest import DAY, Findings, Row

WEEKS = 40
LINES = (("search", 2800.0), ("social", 2100.0), ("tv", 1400.0))
Judge = Callable[..., Findings]


def week(back: int) -> str:
    """Return the first day of the week that is so many weeks before DAY."""
    return (DAY - timedelta(weeks=back)).isoformat()


@pytest.fixture
def judge(tables: Any, night: Any) -> Judge:
    """Forty good weeks of three lines and one total, which a test may spoil."""
    rng = np.random.default_rng(5)
    tables.spend, tables.outcomes = [], []
    for back in range(WEEKS, 0, -1):
        paid = [round(size * float(np.exp(rng.normal(0, 0.2))), 2) for _, size in LINES]
        key = {"date": week(back)}
        tables.spend += [
            {**key, "channel": name, "spend": spent}
            for (name, _), spent in zip(LINES, paid, strict=True)
        ]
        tables.outcomes.append({**key, "revenue": round(5 * sum(paid) * rng.lognormal(0, 0.1), 2)})

    def judged() -> Findings:
        tables.write()
        found: Findings = night(policy(tables))
        return found

    return judged


def policy(tables: Any) -> Any:
    return tables.policy(
        line=["channel"],
        budget={"daily": 900},
        sources={
            "period": "week",
            "spend": {"path": "spend.csv"},
            "outcomes": {"path": "outcomes.csv", "by": []},
        },
    )


def rows_of(rows: list[Row], back: int, channel: str | None = None) -> list[Row]:
    """Return the rows of a week, of one line or of all."""
    return [
        row for row in rows if row["date"] == week(back) and channel in (None, row.get("channel"))
    ]


def scale(rows: list[Row], column: str, factor: float) -> None:
    for row in rows:
        row[column] = round(row[column] * factor, 2)


def test_a_flight_that_begins_holds_its_line_and_stops_nothing(judge: Judge, tables: Any) -> None:
    usual = np.median([row["spend"] for row in tables.spend if row["channel"] == "tv"][-8:])
    (newest,) = rows_of(tables.spend, 1, "tv")
    newest["spend"] = round(7.5 * float(usual), 2)
    found = judge()
    assert not found.fails
    assert found.named("spend-jump").level is Level.REVIEW


def test_good_weeks_pass(judge: Judge) -> None:
    assert [(item.level, item.check) for item in judge().all] == [(Level.PASS, "data")]


@pytest.mark.parametrize("factor", [10, 100])
def test_a_line_in_another_unit_in_the_newest_week_is_refused_by_its_row(
    tables: Any, judge: Judge, factor: float
) -> None:
    (row,) = rows_of(tables.spend, 1, "social")
    scale([row], "spend", factor)
    found = judge()
    assert "spend-jump" in found.fails
    message = found.named("spend-jump").message
    assert f"social has spend {row['spend']:.2f} on {week(1)}, its neighbours" in message


@pytest.mark.parametrize("factor", [0.01, 10, 100])
def test_all_lines_in_another_unit_in_the_newest_week_are_refused(
    tables: Any, judge: Judge, factor: float
) -> None:
    scale(rows_of(tables.spend, 1), "spend", factor)
    assert "unit-shift" in judge().fails


def test_outcomes_in_another_unit_in_the_newest_week_are_refused(tables: Any, judge: Judge) -> None:
    scale(rows_of(tables.outcomes, 1), "revenue", 100)
    assert judge().fails == {"outcome-jump"}


def test_an_old_spike_is_doubted_on_every_day_of_its_week(
    tables: Any, night: Any, judge: Judge
) -> None:
    scale(rows_of(tables.spend, 10, "tv"), "spend", 100)
    found = judge()
    assert (found.fails, found.named("spend-jump").level) == (set(), Level.PASS)
    history = warehouse.read_history(night.work, policy(tables))
    first = history.days.index(date.fromisoformat(week(10)))
    doubted = np.argwhere(~history.trusted)
    assert doubted.tolist() == [[first + part, 2] for part in range(7)]
    assert history.spend[first : first + 7, 2] == pytest.approx(np.full(7, 200.0), rel=0.2)


def test_a_line_between_flights_is_doubted_and_stops_nothing(tables: Any, judge: Judge) -> None:
    scale(rows_of(tables.spend, 1, "tv"), "spend", 0.01)
    found = judge()
    assert (found.fails, found.named("spend-jump").level) == (set(), Level.REVIEW)


def test_a_newest_week_without_much_of_the_money_is_refused(tables: Any, judge: Judge) -> None:
    (row,) = rows_of(tables.spend, 1, "search")
    tables.spend.remove(row)
    assert judge().fails == {"missing-lines"}


@pytest.mark.parametrize("back", [1, 10])
@pytest.mark.parametrize("source", ["spend", "outcomes"])
def test_a_row_that_begins_no_week_is_named(
    tables: Any, judge: Judge, back: int, source: str
) -> None:
    late = (date.fromisoformat(week(back)) + timedelta(days=1)).isoformat()
    rows_of(getattr(tables, source), back)[0]["date"] = late
    found = judge()
    assert "week-start" in found.fails
    assert late in found.named("week-start").message


def test_daily_rows_that_are_called_weeks_are_named(tables: Any, judge: Judge) -> None:
    for row in rows_of(tables.outcomes, 1):
        tables.outcomes += [
            {**row, "date": (DAY - timedelta(days=back)).isoformat()} for back in range(1, 7)
        ]
    assert "week-start" in judge().fails


def test_weeks_that_are_all_too_old_are_refused_as_that(tables: Any, judge: Judge) -> None:
    for row in (*tables.spend, *tables.outcomes):
        row["date"] = (date.fromisoformat(row["date"]) - timedelta(weeks=200)).isoformat()
    assert judge().fails == {"no-rows"}


@pytest.mark.parametrize(("day", "level"), [(0, Level.REVIEW), (2, Level.REVIEW), (3, Level.FAIL)])
def test_a_week_of_outcomes_is_late_from_the_day_after_it(
    tables: Any, night: Any, judge: Judge, day: int, level: Level
) -> None:
    tables.outcomes = tables.outcomes[:-1]
    tables.write()
    found = night(policy(tables), day=DAY + timedelta(days=day), suites=True)
    assert found.named("stale-outcomes").level is level
    assert found.fails == ({"stale-outcomes"} if level is Level.FAIL else set())
