"""Lines that just came back or just ended, before anything was published."""

from __future__ import annotations

import pytest

from pipeline.core.findings import Finding
from pipeline.core.plan import Plan
from tests.runs.shop import LINES, SPENDS, Shop

LINE = LINES[1]  # 300 a day


def paused(shop: Shop, *backs: int) -> None:
    """Have the line spend nothing so many days before the plan's."""
    rows = shop.line_rows(*LINE)
    for back in backs:
        rows[-back]["spend"] = rows[-back]["impressions"] = rows[-back]["clicks"] = 0


def told(shop: Shop, *ended: int) -> None:
    """Deliver a budget column in which the line's newest days, so many back, have none."""
    shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    rows = shop.line_rows(*LINE)
    for back in ended:
        rows[-back]["budget"] = 0


def findings(plan: Plan, check: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.check == check]


def test_a_line_that_is_back_from_a_pause_is_named_with_what_counts_as_its_budget(shop):
    """The mean of seven days is the rule; whoever signs must see that days of a pause are in it."""
    paused(shop, *range(3, 15))
    for row in shop.line_rows(*LINE)[-2:]:
        row["spend"] = 350
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert current == 100.0
    (finding,) = findings(plan, "resumed")
    assert finding.level == "review"
    assert finding.message == (
        "spend: search / generic spent 350.00 a day on each of its last 2 days, after a pause; its "
        "current budget is taken as 100.00, the mean of 7 days"
    )
    assert "budget column" in finding.advice


def test_no_pause_is_seen_where_a_budget_is_told_or_a_line_always_rests_so(open_shop):
    named = open_shop("named")
    paused(named, *range(3, 15))
    named.line_rows(*LINE)[-1]["budget"] = SPENDS[1]
    assert findings(named.night(), "resumed") == []
    weekends = open_shop("weekends")
    paused(weekends, *(back for back in range(1, 43) if back % 7 in {2, 3}))
    assert findings(weekends.night(), "resumed") == []
    begun = open_shop("begun")
    paused(begun, *range(2, 43))
    assert findings(begun.night(), "resumed") == []


def test_no_pause_is_seen_once_a_plan_is_in_force(shop):
    shop.night()
    shop.approve()
    day = shop.later()
    paused(shop, *range(3, 15))
    assert findings(shop.night(day), "resumed") == []


def test_a_line_that_ended_stands_at_the_zero_of_its_budget_and_is_named(shop):
    told(shop, *range(1, 5))
    paused(shop, *range(1, 5))
    plan = shop.night()
    (line,) = [item for item in plan.lines if tuple(item.line.values()) == LINE]
    assert (line.current, line.proposed) == (0.0, 0.0)
    (finding,) = findings(plan, "ended")
    assert finding.level == "review"
    assert finding.message == (
        "spend: the budget of search / generic is 0 on 2026-11-21, after spend within the week; 0 "
        "is the current budget, and no plan starts a line from there"
    )


def test_a_line_that_ended_without_a_budget_column_counts_with_its_week_and_is_named(shop):
    paused(shop, *range(1, 5))
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert current > 0
    (finding,) = findings(plan, "ended")
    assert "the mean of 7 days counts as what is set" in finding.message
    assert f"{current:,.2f} in all" in finding.message


def test_a_budget_of_zero_beside_spend_is_not_believed_and_one_that_is_always_zero_is_no_news(
    open_shop,
):
    slipped = open_shop("slipped")
    told(slipped, 1)
    plan = slipped.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert SPENDS[1] / 2 < current < SPENDS[1] * 2
    assert findings(plan, "budget-against-spend")
    filled = open_shop("filled")
    told(filled, *range(1, 43))
    plan = filled.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert SPENDS[1] / 2 < current < SPENDS[1] * 2
    assert not findings(plan, "budget-against-spend")


def test_a_line_that_rests_as_usual_or_ended_long_ago_is_not_named(open_shop):
    weekends = open_shop("weekends")
    paused(weekends, *(back for back in range(1, 43) if back % 7 in {1, 2}))
    assert findings(weekends.night(), "ended") == []
    long_ago = open_shop("long ago")
    paused(long_ago, *range(1, 10))
    assert findings(long_ago.night(), "ended") == []


def test_a_zero_by_mistake_is_mended_by_the_next_budget(shop):
    told(shop, 2)
    paused(shop, 2)
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert current == pytest.approx(shop.line_rows(*LINE)[-1]["budget"])
