"""Outcomes known as totals: a row that is missing is unknown, and a silent stretch is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io import warehouse
from tests.io.conftest import DAY, Findings

Judge = Callable[..., Findings]


def ago(back: int) -> str:
    return (DAY - timedelta(days=back)).isoformat()


def policy(tables: Any, *by: str) -> Any:
    outcomes = {"path": "outcomes.csv", "by": list(by)}
    return tables.policy(sources={"spend": {"path": "spend.csv"}, "outcomes": outcomes})


def add_up(tables: Any, *by: str) -> None:
    """Replace the lines' outcomes by totals of the day, or of the day and the columns named."""
    totals: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in tables.outcomes:
        key = tuple(row[name] for name in ("date", *by))
        total = totals.setdefault(key, {**dict(zip(("date", *by), key, strict=True))})
        for metric in ("conversions", "revenue"):
            total[metric] = total.get(metric, 0) + row[metric]
    tables.outcomes = list(totals.values())


def drop(tables: Any, days: set[str], **which: str) -> None:
    """Drop the totals of the days, of all or of those whose columns say so."""
    tables.outcomes = [
        row
        for row in tables.outcomes
        if row["date"] not in days or not which.items() <= row.items()
    ]
    tables.write()


def test_days_that_a_total_lacks_are_unknown_and_said(tables: Any, night: Any) -> None:
    add_up(tables)
    drop(tables, {ago(back) for back in range(8, 13)})
    found = night(policy(tables))
    assert found.fails == set()
    finding = found.named("missing-outcomes")
    assert finding.level is Level.REVIEW
    assert f"no row on {ago(12)} to {ago(8)}; taken as unknown" in finding.message


def test_a_total_that_rests_on_sundays_lacks_nothing(tables: Any, night: Any) -> None:
    add_up(tables)
    sundays = {ago(back) for back in range(1, 61) if date.fromisoformat(ago(back)).weekday() == 6}
    drop(tables, sundays)
    assert night(policy(tables)).reviews <= {"stale-outcomes"}


@pytest.mark.parametrize("back", [1, 10])
def test_a_day_that_one_of_several_totals_lacks_teaches_no_zero(
    tables: Any, night: Any, back: int
) -> None:
    add_up(tables, "channel")
    drop(tables, {ago(back)}, channel="social")
    settings = policy(tables, "channel")
    found = night(settings)
    assert (found.fails, found.reviews) == (set(), {"missing-outcomes"})
    assert f"no row of social on {ago(back)};" in found.named("missing-outcomes").message
    measured = warehouse.read_history(night.work, settings).measured
    assert measured is not None
    assert np.argwhere(~measured.trusted).tolist() == [[60 - back, 1]]


def test_a_series_without_any_row_is_said_as_that(tables: Any, night: Any) -> None:
    add_up(tables, "channel")
    drop(tables, {ago(back) for back in range(1, 61)}, channel="social")
    found = night(policy(tables, "channel"))
    assert "no row at all of social" in found.named("missing-series").message


@pytest.mark.parametrize("is_paid", [True, False])
def test_revenue_that_stops_while_conversions_go_on_is_an_outage(
    tables: Any, night: Any, is_paid: bool
) -> None:
    add_up(tables)
    days = {ago(back) for back in range(10, 15)}
    for row in tables.outcomes:
        row["revenue"] *= row["date"] not in days
    for row in tables.spend:
        row["spend"] *= is_paid or row["date"] not in days
    tables.write()
    finding = night(policy(tables)).named("outage")
    assert finding.level is Level.REVIEW
    assert f"almost no revenue on {ago(14)} to {ago(10)}" in finding.message


def test_before_its_first_row_a_total_is_unknown_though_others_have_rows(
    tables: Any, night: Any
) -> None:
    add_up(tables, "channel")
    drop(tables, {ago(back) for back in range(41, 61)}, channel="social")
    settings = policy(tables, "channel")
    night(settings)
    measured = warehouse.read_history(night.work, settings).measured
    assert measured is not None
    np.testing.assert_array_equal(measured.trusted[:, 1], np.arange(60) >= 20)
    assert measured.trusted[:, 0].all()


def test_a_control_without_a_row_is_unknown_and_no_zero(tables: Any, night: Any) -> None:
    add_up(tables, "channel")
    for back, row in enumerate(tables.outcomes):
        row["price_index"] = 100 + back % 3
    drop(tables, {ago(back) for back in (1, 2)})
    drop(tables, {ago(10)}, channel="social")
    outcomes = {"path": "outcomes.csv", "by": ["channel"], "controls": ["price_index"]}
    settings = tables.policy(sources={"spend": {"path": "spend.csv"}, "outcomes": outcomes})
    night(settings)
    measured = warehouse.read_history(night.work, settings).measured
    assert measured is not None
    index = measured.controls["price_index"]
    assert np.argwhere(np.isnan(index)).tolist() == [[50, 1], [58, 0], [58, 1], [59, 0], [59, 1]]
    assert np.nanmin(index) == 100
    np.testing.assert_array_equal(measured.trusted, np.isfinite(index))


def test_a_slip_of_one_line_costs_the_total_no_day(tables: Any, night: Any) -> None:
    add_up(tables)
    slip = next(row for row in tables.spend if row["date"] == ago(20))
    slip["spend"] *= 1000
    tables.write()
    settings = policy(tables)
    night(settings)
    history = warehouse.read_history(night.work, settings)
    assert history.measured is not None
    assert history.measured.trusted.all()
    assert history.spend[40].max() < 1000
    assert np.argwhere(~history.outcome_side.trusted).tolist() == [[40, 0]]
