"""What a day that the settings name may bring is no fault of it; another unit still is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.core.policy import parse_policy
from pipeline.core.types import FloatArray
from pipeline.io import quality
from pipeline.io.facts import Facts
from pipeline.io.named_days import as_ordinary
from pipeline.io.verdict import Verdict

N_DAYS, N_LINES = 180, 6
NEWEST = N_DAYS - 1
FIRST = date(2026, 1, 1)
BEFORE = (60, 120)  # other days of the name
WEEKLY = 1 + 0.2 * np.sin(np.arange(N_DAYS)[:, None] * 2 * np.pi / 7)


def shop(seed: int = 1) -> Facts:
    """Return half a year of lines whose clicks cost about the same."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.normal(6, 0.5, N_LINES))
    spend = level * WEEKLY * np.exp(rng.normal(0, 0.1, (N_DAYS, N_LINES)))
    clicks = rng.poisson(spend / 2).astype(float)
    sold = rng.poisson(spend / 20).astype(float)
    return Facts(
        days=tuple(FIRST + timedelta(days=day) for day in range(N_DAYS)),
        lines=tuple(("search", f"a{line}") for line in range(N_LINES)),
        spend=spend,
        has_spend_row=np.ones(spend.shape, dtype=bool),
        budget=np.full(spend.shape, np.nan),
        impressions=np.full(spend.shape, np.nan),
        clicks=clicks,
        outcomes={"conversions": sold, "revenue": sold * 60.0},
        has_outcome_row=np.ones(spend.shape, dtype=bool),
    )


def brought(facts: Facts, days: tuple[int, ...], times: float, sold: float = 1.0) -> Facts:
    """Return the facts with days that brought several times the money, at a higher price."""

    def more(table: FloatArray, factor: float) -> FloatArray:
        table = table.copy()
        table[list(days)] *= factor
        return table

    return dataclasses.replace(
        facts,
        spend=more(facts.spend, times),
        clicks=more(facts.clicks, times / 2 if times > 2 else times),
        outcomes={name: more(table, sold) for name, table in facts.outcomes.items()},
    )


def judged(facts: Facts, *named: int) -> Verdict:
    policy = parse_policy(
        {
            "portfolio": "world",
            "currency": "EUR",
            "line": ["channel", "audience"],
            "budget": {"daily": float(facts.spend[-30:].sum(axis=1).mean())},
            "sources": {"spend": {"path": "x"}, "outcomes": {"path": "y"}},
        },
        "world",
    )
    names = dict.fromkeys((facts.days[day] for day in named), "sale")
    return quality.judge_tables(facts, policy, facts.days[-1] + timedelta(days=1), names)


def fails(found: Verdict) -> set[str]:
    return {item.check for item in found.findings if item.level is Level.FAIL}


def test_a_day_that_is_like_the_others_of_its_name_is_nothing_to_say() -> None:
    facts = brought(shop(), (*BEFORE, NEWEST), 3.0, sold=4.0)
    assert {"day-jump", "unit-cost"} <= fails(judged(facts))
    found = judged(facts, *BEFORE, NEWEST)
    assert found.findings == []
    assert found.untrusted == {}


def test_a_day_is_held_against_no_more_than_the_others_of_its_name_brought() -> None:
    facts = brought(brought(shop(), BEFORE, 2.0), (NEWEST,), 5.0)
    found = judged(facts, *BEFORE, NEWEST)
    (jump,) = [item for item in found.findings if item.check == "day-jump"]
    assert jump.level is Level.FAIL
    assert f"{facts.spend[-1].sum():.2f} on" in jump.message
    assert "by its place in the week and by its name" in jump.message


@pytest.mark.parametrize("others", [(), BEFORE])
@pytest.mark.parametrize("times", [1.0, 1.5])
def test_money_that_was_raised_before_a_sale_is_not_what_its_day_brought(
    times: float, others: tuple[int, ...]
) -> None:
    """Held against weeks before the raise only, a day like those next to it looks cut short."""
    facts = shop()
    raised = np.ones((N_DAYS, 1))
    raised[-16:-6, 0] = np.geomspace(1.0, 3.0, 10)
    raised[-6:] = 3.0
    facts = dataclasses.replace(
        facts,
        spend=facts.spend * raised,
        clicks=facts.clicks * raised,
        outcomes={name: table * np.sqrt(raised) for name, table in facts.outcomes.items()},
    )
    facts = brought(brought(facts, others, 3.0, sold=3.0), (NEWEST,), times, sold=times)
    found = judged(facts, *others, NEWEST)
    assert not fails(found)
    assert found.untrusted == {}


@pytest.mark.parametrize("times", [1.0, 1.5])
def test_a_day_that_brings_less_than_the_others_of_its_name_is_not_cut_short(times: float) -> None:
    facts = brought(brought(shop(), BEFORE, 5.0), (NEWEST,), times)
    assert judged(facts, *BEFORE, NEWEST).findings == []


def test_the_first_day_of_a_name_is_believed_and_said() -> None:
    facts = brought(shop(), (NEWEST,), 3.0)
    found = judged(facts, NEWEST)
    assert not fails(found)
    assert found.untrusted == {}  # no line is held for it
    said = {item.check: item for item in found.findings}
    assert {"day-jump", "unit-cost", "line-step"} <= said.keys()
    assert {item.level for item in said.values()} == {Level.REVIEW}
    assert f"{facts.spend[-1].sum():.2f} on {facts.days[-1]}" in said["day-jump"].message
    assert said["day-jump"].message.startswith(
        f"believed, because {facts.days[-1]} is the first 'sale' in the data; otherwise: spend: "
    )


def test_a_first_holiday_on_which_money_rests_is_not_a_day_that_was_cut_short() -> None:
    facts = brought(shop(), (NEWEST,), 0.3)
    assert "partial-day" in fails(judged(facts))
    found = judged(facts, NEWEST)
    assert not fails(found)
    assert "partial-day" in {item.check for item in found.findings}


def of_one_line(facts: Facts) -> Facts:
    spend = facts.spend.copy()
    spend[-1, 0] *= 100
    return dataclasses.replace(facts, spend=spend)


def of_all(facts: Facts) -> Facts:
    spend = facts.spend.copy()
    spend[-1] *= 100
    return dataclasses.replace(facts, spend=spend)


def of_revenue(facts: Facts) -> Facts:
    outcomes = {name: table.copy() for name, table in facts.outcomes.items()}
    outcomes["revenue"][-1] *= 100
    return dataclasses.replace(facts, outcomes=outcomes)


def of_the_point(facts: Facts) -> Facts:
    spend = facts.spend.copy()
    spend[-1, 0] *= 10
    return dataclasses.replace(facts, spend=spend)


@pytest.mark.parametrize("fault", [of_one_line, of_all, of_revenue, of_the_point])
@pytest.mark.parametrize("times", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("before", [(), BEFORE], ids=["first", "known"])
def test_another_unit_is_refused_whatever_the_day_is_called(
    fault: Callable[[Facts], Facts], times: float, before: tuple[int, ...]
) -> None:
    facts = brought(shop(), (*before, NEWEST), times, sold=times)
    assert fails(judged(fault(facts), *before, NEWEST))


def test_a_named_day_neither_hides_a_fault_of_the_next_day_nor_makes_one() -> None:
    sale = NEWEST - 1
    facts = brought(shop(), (*BEFORE, sale), 4.0, sold=4.0)
    assert judged(facts, *BEFORE, sale).findings == []
    twice = brought(facts, (NEWEST,), 3.0)
    assert not {"day-jump"} & fails(judged(twice))
    assert "day-jump" in fails(judged(twice, *BEFORE, sale))


def test_days_without_a_name_and_weeks_are_as_they_are() -> None:
    facts = shop()
    assert as_ordinary(facts, {}) is facts
    assert as_ordinary(facts, {date(2020, 1, 1): "sale"}) is facts
    weekly: Any = dataclasses.replace(facts, period_days=7)
    assert as_ordinary(weekly, {facts.days[-1]: "sale"}) is weekly
