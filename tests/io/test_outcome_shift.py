"""Outcomes that move to a level of their own are in another unit, and are refused until mended."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline.core.findings import Level
from pipeline.io import warehouse
from tests.io.conftest import DAY


def scale(tables: Any, factor: float, first: int, last: int = 1) -> None:
    """Multiply the revenue of the days from `first` to `last` days before DAY."""
    for row in tables.outcomes:
        if last <= (DAY - date.fromisoformat(row["date"])).days <= first:
            row["revenue"] *= factor
    tables.write()


@pytest.mark.parametrize(
    ("factor", "days"), [(100, 1), (100, 2), (100, 3), (100, 20), (0.01, 1), (0.01, 12)]
)
def test_revenue_in_another_unit_is_refused_until_it_is_mended(
    tables: Any, night: Any, factor: float, days: int
) -> None:
    scale(tables, factor, days)
    found = night()
    assert found.fails
    if days > 1:
        finding = found.named("outcome-shift")
        assert finding.level is Level.FAIL
        assert f"since {DAY - timedelta(days=days)} there is" in finding.message


def test_after_four_weeks_the_new_level_holds_and_the_old_teaches_nothing(
    tables: Any, night: Any
) -> None:
    scale(tables, 100, 30)
    found = night()
    assert (found.fails, found.named("outcome-shift").level) == (set(), Level.PASS)
    history = warehouse.read_history(night.work, tables.policy())
    assert not history.trusted[:30].any()
    assert history.trusted[30:].all()


@pytest.mark.parametrize("days", [5, 40])
def test_the_end_of_a_large_line_with_poor_returns_is_no_other_unit(
    tables: Any, night: Any, days: int
) -> None:
    large = tables.spend[0]["channel"], tables.spend[0]["audience"]
    for row in tables.spend:
        ended = (DAY - date.fromisoformat(row["date"])).days <= days
        if (row["channel"], row["audience"]) == large:
            row["spend"] = 0.0 if ended else 40 * row["spend"]
    for row in tables.outcomes:
        if (row["channel"], row["audience"]) == large:
            ended = (DAY - date.fromisoformat(row["date"])).days <= days
            row["revenue"] = 0.0 if ended else row["revenue"]
    tables.write()
    assert "outcome-shift" not in {item.check for item in night().all}


@pytest.mark.parametrize(
    ("factor", "first", "last"),
    [(3, 10, 1), (0.1, 2, 1), (0.02, 25, 8), (50, 25, 8)],
    ids=["a better month", "late outcomes", "an outage that is over", "an old slip"],
)
def test_what_is_no_new_level_is_not_called_one(
    tables: Any, night: Any, factor: float, first: int, last: int
) -> None:
    scale(tables, factor, first, last)
    assert "outcome-shift" not in {item.check for item in night().all}
