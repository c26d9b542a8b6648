"""Budgets that people set beside the plan in force."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.runs.shop import DAY, Shop, amounts
from tests.runs.test_measured import totals
from tests.runs.test_measured_scores import in_weeks

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


def test_a_week_in_which_plans_moved_a_line_every_night_is_nothing_that_people_set(tmp_path):
    """Its row is the mean of the week's days, the plan in force that of the last one."""
    shop = totals(Shop(tmp_path / "shop"), days=280)
    shop.settings["sources"]["period"] = "week"
    shop.spend, shop.outcomes = in_weeks(shop.spend), in_weeks(shop.outcomes)
    last = (DAY - timedelta(days=7)).isoformat()
    newest = [row for row in shop.spend if row["date"] == last]
    for row in newest:
        row["budget"] = row["spend"]
    least = min(newest, key=lambda row: row["spend"])
    start, scope = least["spend"] / 7, {"channel": least["channel"]}
    shop.cap(scope=scope, min=round(2.4 * start, 2))
    shop.moment += timedelta(days=3)
    days = [{row["channel"]: row["spend"] / 7 for row in newest}] * 3
    for _ in range(4):
        plan = shop.night(shop.today)
        shop.approve()
        days.append({line[0]: proposed for line, (_, proposed) in amounts(plan).items()})
        shop.moment += timedelta(days=1)
    paid = {line: round(sum(day[line] for day in days), 2) for line in days[0]}
    assert days[-1][least["channel"]] > 1.5 * paid[least["channel"]] / 7
    new = {"date": DAY.isoformat()}
    shop.spend += [
        {**row, **new, "spend": (p := paid[row["channel"]]), "budget": p} for row in newest
    ]
    shop.outcomes += [{**row, **new} for row in shop.outcomes if row["date"] == last]
    found = shop.night(shop.today).findings
    assert not [item for item in found if item.check == "set-otherwise"]


def nights(shop, count, *, are_followed):
    """Live days on which lines spend what plans say, or what they always did, without budgets."""
    rng = np.random.default_rng(5)
    plan = shop.night(shop.today)
    usual = amounts(plan)
    for _ in range(count):
        shop.approve()
        day, given = shop.today.isoformat(), amounts(plan) if are_followed else usual
        shop.later()
        for row in shop.spend:
            if row["date"] == day:
                money = given[row["channel"], row["audience"]][1 if are_followed else 0]
                row["spend"] = round(money * rng.lognormal(0, 0.05), 2)
        plan = shop.night(shop.today)
    return [item for item in plan.findings if item.check == "not-followed"]


def test_plans_that_nobody_carries_out_are_said_without_a_budget_column(shop):
    (said,) = nights(shop, 5, are_followed=False)
    assert said.message.startswith("spend: of the money that the 5 plans in force since 2026-11-22")
    assert "set on the platform what plans say" in said.advice


def test_of_plans_that_are_carried_out_nothing_is_said(shop):
    assert nights(shop, 5, are_followed=True) == []
