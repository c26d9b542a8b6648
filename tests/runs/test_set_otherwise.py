"""Budgets that people set beside the plan in force."""

from __future__ import annotations

import pytest

from tests.runs.shop import amounts

LINE = ("search", "generic")


def live(shop, budget, spend=None):
    """Let a day pass on which the lines spend what the plan says, and one what people set."""
    plan = shop.night(shop.today)
    shop.approve()
    day, given = shop.today.isoformat(), amounts(plan)
    shop.later()
    for row in shop.spend:
        if row["date"] == day:
            line = (row["channel"], row["audience"])
            row["budget"] = row["spend"] = given[line][1]
            if line == LINE:
                row["budget"], row["spend"] = budget, spend or budget
    return [
        item for item in shop.night(shop.today).findings if item.check == "set-otherwise"
    ], given


@pytest.mark.parametrize("budget", [500.0, 100.0])
def test_a_budget_that_people_set_beside_the_plan_is_said(shop, budget):
    shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    (said,), given = live(shop, budget)
    assert said.message == (
        "spend: search / generic had other budgets set and spent on 2026-11-22 than the plan in "
        f"force gives, for example search / generic {budget:,.2f} set, {budget:,.2f} spent and "
        f"{given[LINE][1]:,.2f} given; plans go on from what is given"
    )
    assert "have finance fix" in said.advice


@pytest.mark.parametrize(("budget", "spend"), [(300.0, None), (500.0, 240.0)])
def test_a_plans_own_step_and_a_column_that_nobody_keeps_up_are_nothing_new(shop, budget, spend):
    shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    found, _ = live(shop, budget, spend)
    assert found == []
