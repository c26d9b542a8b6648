"""Days inside the history that no row speaks of are unknown; pauses are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io import warehouse
from pipeline.runs.standing import month_pace
from tests.io.conftest import DAY, Row

Keep = Callable[[Row], bool]


def ago(*backs: int) -> set[str]:
    return {(DAY - timedelta(days=back)).isoformat() for back in backs}


def without(tables: Any, days: set[str], *lines: tuple[str, str], outcomes: bool = False) -> None:
    """Drop rows of the days: of the lines named, or of all; with their outcomes where asked."""

    def stays(row: Row) -> bool:
        return row["date"] not in days or (
            bool(lines) and (row["channel"], row["audience"]) not in lines
        )

    tables.spend = [row for row in tables.spend if stays(row)]
    if outcomes:
        tables.outcomes = [row for row in tables.outcomes if stays(row)]
    tables.write()


def weekdays_only(tables: Any) -> None:
    rests = {day for day in ago(*range(1, 61)) if date.fromisoformat(day).weekday() > 4}
    without(tables, rests)


SOCIAL = (("social", "a1"), ("social", "a2"))


@pytest.mark.parametrize("days", [ago(12), ago(*range(9, 14)), ago(*range(10, 40)), ago(20, 25)])
def test_days_without_any_row_are_unknown_with_the_usual_spend(
    tables: Any, night: Any, days: set[str]
) -> None:
    without(tables, days)
    finding = night().named("missing-days")
    assert finding.level is Level.REVIEW
    assert max(days) in finding.message
    history = warehouse.read_history(night.work, tables.policy())
    lost = np.array([day.isoformat() in days for day in history.days])
    assert not history.trusted[lost].any()
    assert history.trusted[~lost].all()
    assert history.spend[lost].sum(axis=1) == pytest.approx(1000, rel=0.2)


def test_lost_rows_of_a_channel_are_unknown_where_its_outcomes_went_on(
    tables: Any, night: Any
) -> None:
    without(tables, ago(*range(8, 15)), *SOCIAL)
    finding = night().named("missing-rows")
    assert finding.level is Level.REVIEW
    assert "social / a1, social / a2" in finding.message
    history = warehouse.read_history(night.work, tables.policy())
    assert not history.trusted[-14:-7, 2:].any()
    assert history.trusted[:, :2].all()
    assert history.spend[-14:-7].mean(axis=0) == pytest.approx([400, 200, 300, 100], rel=0.2)


@pytest.mark.parametrize(
    "rest",
    [
        lambda tables: without(tables, ago(*range(8, 15)), *SOCIAL, outcomes=True),
        lambda tables: without(tables, ago(*range(10, 30)), *SOCIAL),
        lambda tables: without(tables, ago(*range(30, 61)), *SOCIAL),
        lambda tables: without(tables, ago(*range(1, 25)), *SOCIAL),
        lambda tables: without(tables, ago(*range(1, 61, 3)), *SOCIAL),
        weekdays_only,
        lambda tables: without(tables, ago(*range(1, 61, 7)) - ago(1)),
    ],
    ids=[
        "paused a week",
        "paused three",
        "began late",
        "ended",
        "now and then",
        "weekdays",
        "6 days",
    ],
)
def test_a_line_that_rests_is_believed(tables: Any, night: Any, rest: Any) -> None:
    rest(tables)
    found = night(day=DAY - timedelta(days=2)) if rest is weekdays_only else night()
    assert not {item.check for item in found.all} & {"missing-days", "missing-rows"}


def test_a_working_day_is_lost_where_weekends_rest(tables: Any, night: Any) -> None:
    without(tables, ago(19))
    weekdays_only(tables)
    finding = night(day=DAY - timedelta(days=2)).named("missing-days")
    assert finding.message.count("2026-") == 1
    assert min(ago(19)) in finding.message


def test_an_old_gap_is_recorded_and_no_longer_shown(tables: Any, night: Any) -> None:
    without(tables, ago(40))
    assert night().named("missing-days").level is Level.PASS


def paced(tables: Any, night: Any, day: date) -> float:
    policy = tables.policy(budget={"monthly": 28_000})
    night(policy, day=day)
    return month_pace(warehouse.read_likely_facts(night.work), 28_000, day).today


@pytest.mark.parametrize(
    "fault",
    [
        lambda tables: without(tables, ago(*range(15, 20))),
        lambda tables: without(tables, ago(*range(15, 20)), *SOCIAL),
        lambda tables: without(tables, ago(*range(15, 61))),
        lambda tables: [
            row.update(spend=row["spend"] * 100) for row in tables.spend if row["date"] in ago(20)
        ],
    ],
    ids=["days", "a channel", "the month's beginning", "a slip"],
)
def test_a_months_money_is_paced_on_what_was_likely_spent(
    tables: Any, night: Any, fault: Any
) -> None:
    day = DAY - timedelta(days=8)
    tables.write()
    whole = paced(tables, night, day)
    assert whole == pytest.approx(1000, rel=0.05)
    fault(tables)
    tables.write()
    assert paced(tables, night, day) == pytest.approx(whole, rel=0.05)


def test_a_month_whose_beginning_nobody_knows_is_said(tables: Any, night: Any) -> None:
    day = DAY - timedelta(days=8)
    without(tables, ago(*range(20, 61)))
    assert "month-unknown" not in {item.check for item in night(day=day).all}
    finding = night(tables.policy(budget={"monthly": 28_000}), day=day).named("month-unknown")
    assert finding.level is Level.REVIEW
    assert "2026-02-01 to 2026-02-10" in finding.message
