"""Nights that know the calendar."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from pipeline.core.errors import ConfigError
from pipeline.io.special_days import SPECIAL_DAYS, read_special_days
from pipeline.runs.checking import replay_plan
from tests.runs.shop import DAY, Shop


def test_a_night_before_a_sale_expects_it_says_so_and_can_be_replayed(shop: Shop):
    plain = shop.night()
    before = [DAY - timedelta(days=back) for back in (9, 18, 27)]
    for row in shop.outcomes:
        if date.fromisoformat(row["date"]) in before:
            row["conversions"], row["revenue"] = 2 * row["conversions"], 2 * row["revenue"]
    shop.settings["calendar"] = {
        "holidays": ["DE-BY", "US", "AT-W"],
        "days": {"club sale": [day.isoformat() for day in (*before, DAY)]},
    }
    plan = shop.night()
    assert plan.expected is not None
    assert plain.expected is not None
    assert plan.expected.mean > 1.3 * plain.expected.mean
    assert plan.model_health is not None
    (said,) = [item for item in plan.model_health.checks if item.check == "model.special-day"]
    assert f"{DAY} is club sale" in said.message
    assert said.message in shop.run(plan).read_bytes("report.html").decode()
    named = read_special_days(shop.run(plan))
    assert named[date(2026, 11, 26)] == "Thanksgiving Day"
    assert date(2026, 1, 6) in named  # Epiphany, in Bavaria
    assert date(2026, 10, 26) in named  # Austria's, whose parts go by number and by letter
    assert named[DAY] == "club sale"
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_another_calendar_is_another_night(shop: Shop):
    first = shop.night()
    shop.settings["calendar"] = {"days": {"sale": [DAY.isoformat()]}}
    second = shop.night()
    assert first.plan_id != second.plan_id
    assert json.loads(shop.run(second).read_bytes(SPECIAL_DAYS)) == {DAY.isoformat(): "sale"}
    assert not read_special_days(shop.run(first))


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ({"holidays": ["XX"]}, "no holidays are known of 'XX'; use a country's two letters"),
        ({"holidays": ["US-QQ"]}, "no holidays are known of 'US-QQ'"),
        ({"holidays": ["Germany"]}, "calendar.holidays"),
        ({"holiday": ["DE"]}, "holiday"),
        ({"days": {"sale": ["2026-02-30"]}}, "calendar.days"),
        ({"days": {"a": ["2026-02-03"], "b": ["2026-02-03"]}}, "2026-02-03 is named twice"),
        ({"days": {"a": ["2026-02-03", "2026-02-03"]}}, "2026-02-03 is named twice"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_refused_by_name(shop: Shop, calendar, said: str):
    shop.settings["calendar"] = calendar
    with pytest.raises(ConfigError) as refused:
        shop.night()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    state = shop.folder / ".equimarginal"
    assert not [path for path in state.rglob("*") if "night-" in path.name]


@pytest.mark.parametrize("lately", [(0,), (5, 12, 19)], ids=["tomorrow", "lately"])
def test_a_sale_leaves_the_factor_of_incremental_over_attributed_as_it_is(open_shop, lately):
    """Both are of ordinary days; a sale multiplied one of them."""

    def factor(name: str, *sales: int) -> float:
        shop = open_shop(name, days=120)
        on = {(DAY - timedelta(days=days)).isoformat() for days in sales}
        for row in shop.outcomes:
            if row["date"] in on:
                row["conversions"], row["revenue"] = 4 * row["conversions"], 4 * row["revenue"]
        if sales:
            shop.settings["calendar"] = {"days": {"sale": sorted(on)}}
        plan = shop.night()
        assert plan.kpi is not None
        found = plan.kpi.credited[0].factor
        assert found is not None
        return found

    assert factor("sale", 91, 63, *lately) == pytest.approx(factor("plain"), rel=0.15)
