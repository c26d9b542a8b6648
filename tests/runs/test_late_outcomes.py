"""Nights whose outcomes end some days before spend does, as many sources' always do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.core.findings import Level
from pipeline.core.plan import Mode
from pipeline.runs import storage
from tests.runs.shop import DAY, amounts
from tests.runs.test_measured import totals


def cut(shop, days, of=lambda row: True):
    """Take the outcomes of the newest days before the shop's morning away."""
    end = ((shop.today if shop.is_written else DAY) - timedelta(days=days)).isoformat()
    shop.outcomes = [row for row in shop.outcomes if row["date"] < end or not of(row)]


def moved(plan):
    return {line: after / before - 1 for line, (before, after) in amounts(plan).items()}


def held(plan):
    return [line.line for line in plan.lines if "held" in line.binding]


def level(plan, check):
    return next(item.level for item in plan.findings if item.check == check)


@pytest.mark.parametrize("late", [1, 3])
def test_outcomes_that_end_a_little_earlier_plan_as_the_whole_ones_do(open_shop, late):
    shop, whole = open_shop("late", days=90), open_shop("whole", days=90)
    cut(shop, late)
    plan, plain = shop.night(), whole.night()
    assert (plan.mode, plain.mode) == (Mode.OPTIMISED, Mode.OPTIMISED)
    assert held(plan) == held(plain)  # a line that took a step is held in both
    assert plan.uplift.mean == pytest.approx(plain.uplift.mean, rel=0.3)
    there, here = moved(plan), moved(plain)
    assert max(abs(there[line] - here[line]) for line in here) < 0.1
    assert level(plan, "stale-outcomes") is Level.REVIEW


def test_outcomes_as_late_as_every_night_are_no_news(shop):
    for night in range(3):
        whole = list(shop.outcomes)
        cut(shop, 1)
        plan = shop.night(shop.today)
        assert plan.mode is not Mode.FALLBACK
        assert level(plan, "stale-outcomes") is (Level.PASS if night else Level.REVIEW)
        assert not storage.read_watch(shop.run(plan)).alarms
        shop.outcomes = whole  # by the next morning they have come
        shop.approve()
        shop.later()


def sell_much(shop) -> None:
    """Let lines sell so much that a day without a sale is no chance."""
    for row in shop.outcomes:
        row["conversions"] *= 20
        row["revenue"] = row["conversions"] * 50.0


def test_a_line_whose_outcomes_are_a_day_later_than_others_is_held_on_its_first_night_only(shop):
    sell_much(shop)
    for night in range(3):
        whole = list(shop.outcomes)
        cut(shop, 1, lambda row: row["audience"] == "b")
        plan = shop.night(shop.today)
        assert [line["audience"] for line in held(plan)] == ([] if night else ["b"])
        assert level(plan, "late-outcomes" if night else "missing-outcomes") is (
            Level.PASS if night else Level.REVIEW
        )
        shop.outcomes = whole
        shop.approve()
        shop.later()


def test_how_late_a_line_is_outlives_a_night_without_outcomes(shop):
    sell_much(shop)
    for night in range(3):
        whole = list(shop.outcomes)
        cut(shop, 1, lambda row: row["audience"] == "b")
        if night == 1:
            shop.outcomes = [{**row, "conversions": 0, "revenue": 0} for row in shop.outcomes]
        plan = shop.night(shop.today)
        assert (plan.mode is Mode.FALLBACK) is (night == 1)
        shop.outcomes = whole
        shop.approve()
        shop.later()
    assert level(plan, "late-outcomes") is Level.PASS
    assert held(plan) == []


def test_a_fault_in_the_newest_outcomes_that_came_holds_its_line(shop):
    cut(shop, 1)
    newest = (DAY - timedelta(days=2)).isoformat()
    for row in shop.outcomes:
        row["conversions"] *= 20
        if (row["date"], row["audience"]) == (newest, "b"):
            row["conversions"] = 0
    lines = {line.line["audience"]: line for line in shop.night().lines}
    assert lines["b"].reason == "held: its newest data cannot be trusted"
    assert sum("held" in line.binding for line in lines.values()) == 1


def test_outcomes_in_another_unit_are_refused_on_the_newest_day_that_came(shop):
    shop.night()
    shop.approve()
    shop.later()
    cut(shop, 1)
    newest = (shop.today - timedelta(days=2)).isoformat()
    for row in shop.outcomes:
        row["revenue"] *= 100 if row["date"] == newest else 1
    plan = shop.night(shop.today)
    assert plan.mode is Mode.FALLBACK
    assert {item.check for item in plan.findings if item.level is Level.FAIL} >= {"unit-cost"}


def test_a_plan_in_which_all_lines_are_held_says_by_what(shop):
    shop.settings["caps"] = [{"scope": {}, "max": 2000}]
    plan = shop.night()
    assert plan.mode is Mode.HOLD
    assert plan.reasons[-1] == (
        "every line is held: its cap (everything) waits for finance; budgets stay as they are"
    )


def test_a_total_that_comes_late_gets_a_plan(shop):
    totals(shop)
    cut(shop, 2)
    plan = shop.night()
    assert plan.mode in {Mode.OPTIMISED, Mode.HOLD}
    assert not held(plan)
