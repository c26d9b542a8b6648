"""What is set today before anything was published: read from data that may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.runs.shop import BUDGET, DAY, LINES, SPENDS, Shop

LINE = LINES[1]  # 300 a day
Slip = Callable[[Shop], None]


def cell(back: int, column: str, factor: float) -> Slip:
    def slip(shop: Shop) -> None:
        shop.line_rows(*LINE)[-back][column] = round(SPENDS[1] * factor, 2)

    return slip


def lost_rows(shop: Shop) -> None:
    lost = {id(row) for row in shop.line_rows(*LINE)[-5:]}
    shop.spend = [row for row in shop.spend if id(row) not in lost]


def begun_with_zeros(shop: Shop) -> None:
    for row in shop.line_rows(*LINE)[:-1]:
        row["spend"] = row["impressions"] = row["clicks"] = 0


def begun_lately(shop: Shop) -> None:
    first = (DAY - timedelta(days=2)).isoformat()
    old = {id(row) for row in shop.line_rows(*LINE) if row["date"] < first}
    shop.spend = [row for row in shop.spend if id(row) not in old]
    shop.outcomes = [
        row
        for row in shop.outcomes
        if (row["channel"], row["audience"]) != LINE or row["date"] >= first
    ]


@pytest.mark.parametrize(
    ("slip", "check"),
    [
        (cell(4, "spend", 100), "spend-jump"),
        (cell(1, "budget", 100), "budget-against-spend"),
        (cell(1, "budget", 30.4), "budget-against-spend"),
        (cell(1, "budget", 0.01), "budget-against-spend"),
        (lost_rows, "missing-lines"),
        (begun_lately, ""),
        (begun_with_zeros, ""),
    ],
    ids=["cell", "budget", "month", "cents", "lost", "begun", "zeros"],
)
def test_what_is_not_believed_is_not_what_is_set_either(shop, slip, check):
    slip(shop)
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert SPENDS[1] / 2 < current < SPENDS[1] * 2
    assert plan.budget == pytest.approx(BUDGET)
    assert not check or check in {finding.check for finding in plan.findings}
    said = [item.message for item in plan.findings if item.check == "budget-against-spend"]
    assert all("or without one the week's mean spend, is taken" in words for words in said)


def test_a_budget_that_can_be_believed_is_what_is_set(shop):
    cell(1, "budget", 1.5)(shop)
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert current == pytest.approx(1.5 * SPENDS[1])
    assert "budget-against-spend" not in {finding.check for finding in plan.findings}


def test_a_budget_that_plans_cut_is_believed_where_it_is_what_is_spent(shop):
    for nights, row in enumerate(shop.line_rows(*LINE)[-7:], start=1):
        row["budget"] = row["spend"] = round(SPENDS[1] * 0.75**nights, 2)
    plan = shop.night()
    current = {tuple(item.line.values()): item.current for item in plan.lines}[LINE]
    assert current == pytest.approx(SPENDS[1] * 0.75**7, abs=0.01)
    assert "budget-against-spend" not in {finding.check for finding in plan.findings}
