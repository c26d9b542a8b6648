"""Lines that have money in force and do not spend it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.core.plan import Plan, PlanLine
from tests.runs.shop import DAY, LINES, Shop

LINE = LINES[1]
NOTHING = {"spend": 0, "impressions": 0, "clicks": 0}


def line_of(plan: Plan, name: tuple[str, ...] = LINE) -> PlanLine:
    (line,) = [item for item in plan.lines if tuple(item.line.values()) == name]
    return line


def messages(plan: Plan, check: str) -> list[str]:
    return [finding.message for finding in plan.findings if finding.check == check]


def in_force(shop: Shop) -> float:
    """Publish a first plan and return what it gives the line."""
    plan = shop.night()
    shop.approve()
    return line_of(plan).proposed


def stop(shop: Shop, days: int, **more: float) -> date:
    """Live days on which the line spends nothing."""
    for _ in range(days):
        shop.later()
        shop.line_rows(*LINE)[-1].update(NOTHING | more)
    return shop.today


def test_a_line_that_stopped_is_held_and_named_from_the_first_day(shop):
    money = in_force(shop)
    plan = shop.night(stop(shop, 1))
    line = line_of(plan)
    assert line.proposed == line.current == money
    assert line.reason == "held: it has spent nothing since 2026-11-22"
    (said,) = messages(plan, "stopped")
    assert said == (
        "spend: search / generic spent nothing of the budget in force on 2026-11-22, which is not "
        "usual for them; their budgets are held"
    )


@pytest.mark.parametrize("told", [True, False])
def test_a_line_that_ended_gives_its_money_up_by_the_daily_limit(shop, told):
    """At once where the budget column says 0; a week of silence says it as well."""
    if told:
        shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    money = in_force(shop)
    plan = shop.night(stop(shop, 1, budget=0) if told else stop(shop, 8))
    line = line_of(plan)
    assert (line.current, line.proposed) == (money, pytest.approx(0.75 * money, abs=0.01))
    assert line.action == "reduce"
    assert line.reason == (
        "it has spent nothing since 2026-11-22, so every night takes from it what the daily limit "
        "allows"
    )
    assert sum(item.proposed for item in plan.lines) == pytest.approx(plan.budget)
    assert "taken as ended" in messages(plan, "stopped")[0]


def test_a_line_that_ended_is_not_kept_for_want_of_outcomes(shop):
    shop.settings["learning"] = {"min_outcomes": 30, "days": 7}
    money = in_force(shop)
    day = stop(shop, 9)
    for row in shop.outcomes:
        if (row["channel"], row["audience"]) == LINE and row["date"] >= "2026-11-22":
            row["revenue"] = 0
            row["conversions"] = 0
    line = line_of(shop.night(day))
    assert "it has spent nothing since" in line.reason
    assert line.proposed < money


def test_a_line_that_spends_again_is_planned_again(shop):
    in_force(shop)
    stop(shop, 8)
    day = shop.later()
    shop.line_rows(*LINE)[-1]["spend"] = 290.0
    plan = shop.night(day)
    assert "nothing since" not in line_of(plan).reason
    assert messages(plan, "stopped") == []


@pytest.mark.parametrize(
    ("rest", "told", "is_named"), [(2, {}, False), (3, {}, True), (2, {"budget": 0}, True)]
)
def test_a_line_that_rests_on_its_first_weekend_has_not_stopped(shop, rest, told, is_named):
    """It began on a Monday and spent until Friday, or until Thursday, or was set to 0 then."""
    if told:
        shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    monday = date(2026, 11, 23)
    last = (monday - timedelta(days=rest + 1)).isoformat()
    shop.moment -= timedelta(days=(DAY - monday).days + rest)
    shop.write()
    for rows in (shop.spend, shop.outcomes):
        rows[:] = [
            row
            for row in rows
            if row["date"] <= last
            and ((row["channel"], row["audience"]) != LINE or row["date"] >= "2026-11-16")
        ]
    shop.night(shop.today)
    shop.approve()
    for _ in range(rest):
        row = shop.line_rows(*LINE)[-1] | NOTHING | told | {"date": shop.today.isoformat()}
        shop.later()
        shop.spend.append(row)
    assert shop.today == monday
    assert bool(messages(shop.night(monday), "stopped")) is is_named


def test_a_young_line_that_stopped_is_named_and_gives_its_money_up(shop):
    """The days before it began are no rest that it usually takes."""
    young = {(DAY - timedelta(days=back)).isoformat() for back in range(1, 15)}
    for rows in (shop.spend, shop.outcomes):
        rows[:] = [
            row for row in rows if (row["channel"], row["audience"]) != LINE or row["date"] in young
        ]
    money = in_force(shop)
    plan = shop.night(stop(shop, 8))
    assert line_of(plan).proposed == pytest.approx(0.75 * money, abs=0.01)
    assert "taken as ended" in messages(plan, "stopped")[0]


def test_of_cents_that_no_limit_can_take_nothing_is_said(shop):
    """Else every night would say for ever that it takes from them."""
    for row in shop.line_rows(*LINE):
        row["spend"] = 0.03
    assert in_force(shop) == 0.03
    plan = shop.night(stop(shop, 9))
    assert messages(plan, "stopped") == []
    assert "every night" not in line_of(plan).reason


def test_a_line_that_comes_back_to_a_budget_that_was_taken_down_is_named(shop):
    shop.spend = [{**row, "budget": row["spend"]} for row in shop.spend]
    money = in_force(shop)
    for _ in range(4):
        plan = shop.night(stop(shop, 1, budget=0))
        assert messages(plan, "returned") == []
        shop.approve()
    left = line_of(plan).proposed
    assert left < 0.4 * money
    day = shop.later()
    shop.line_rows(*LINE)[-1].update(spend=left, budget=left)
    plan = shop.night(day)
    (said,) = messages(plan, "returned")
    assert said.startswith(
        "spend: search / generic spends again since 2026-11-26, after 4 days without; it spent "
    )
    assert f"its budget in force is {left:,.2f}" in said


def test_a_line_that_rests_as_it_usually_does_has_not_stopped(shop):
    for row in shop.line_rows(*LINE)[0::7]:
        row.update(NOTHING)
    in_force(shop)
    plan = shop.night(stop(shop, 1))
    assert messages(plan, "stopped") == []


def test_a_contract_of_finance_beats_the_end_of_a_line(shop):
    shop.cap(scope={"channel": "search", "audience": "generic"}, min=280)
    in_force(shop)
    line = line_of(shop.night(stop(shop, 9)))
    assert line.proposed == 280
    assert line.reason.endswith("; cap search / generic min keeps the rest")


def test_a_floor_of_several_lines_keeps_what_it_needs_of_one_that_ended(shop):
    """The others take over as far as the daily limit lets them."""
    shop.cap(scope={"channel": "search"}, min=415)
    in_force(shop)
    plan = shop.night(stop(shop, 9))
    search = [item for item in plan.lines if item.line["channel"] == "search"]
    assert sum(item.proposed for item in search) >= 415 - 0.01
    assert line_of(plan).proposed <= line_of(plan).current
