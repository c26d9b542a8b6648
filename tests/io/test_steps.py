"""Steps that somebody set, and a unit of money that changed and stayed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io.facts import Facts
from pipeline.io.price_levels import check_price_level
from pipeline.io.verdict import Verdict
from pipeline.simulation.worlds import TUNED_KINDS, make_world
from tests.io.test_named_days import N_DAYS, judged, shop

LINE = 2
EACH, ALL = slice(LINE, LINE + 1), slice(None)


def stepped(
    times: float,
    *,
    told: float = 1.0,
    told_days: int = 1,
    lines: slice = EACH,
    shares: tuple[float, float] = (0.95, 1.05),
    price: float | None = 1.0,
    in_unit: bool = False,
    seed: int = 1,
) -> Facts:
    """Return a shop with a budget column, in which lines took a step on the newest day.

    Args:
        told: what the budget column says of it, and since how many days.
        shares: between which parts of their budgets lines spend.
        price: times the usual that a click then costs; None where nothing is counted.
        in_unit: whether money is only written in another unit, so that nothing else changed.
    """
    rng = np.random.default_rng(seed)
    facts = shop(seed)
    budget = np.tile(facts.spend.mean(axis=0), (N_DAYS, 1))
    spend = budget * rng.uniform(*shares, budget.shape)
    clicks = rng.poisson(spend / 2).astype(float)
    spend[-1, lines] *= times
    budget[-told_days:, lines] *= told
    if not in_unit:
        clicks[-1, lines] = rng.poisson(spend[-1, lines] / 2 / (price or 1.0))
    if price is None:
        clicks[:] = np.nan
    return dataclasses.replace(facts, spend=spend, clicks=clicks, budget=budget)


def checks(found: Verdict) -> set[str]:
    return {item.check for item in found.findings}


def believed(found: Verdict) -> set[str]:
    return {
        item.check
        for item in found.findings
        if item.message.startswith("believed, because budgets were set anew on 2026-06-29; ")
    }


@pytest.mark.parametrize("shares", [(0.95, 1.05), (0.6, 1.4)], ids=["all of it", "60 to 140 %"])
@pytest.mark.parametrize(
    ("times", "price"),
    [(3.0, 1.0), (3.0, 1.5), (3.0, None), (10.0, 1.0), (0.25, 1.0)],
    ids=["raised", "dearer clicks", "nothing counted", "tenfold, clicked", "cut"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_step_that_the_budget_column_tells_is_believed_and_said(
    shares: tuple[float, float], times: float, price: float | None, seed: int
) -> None:
    facts = stepped(times, told=times, shares=shares, price=price, seed=seed)
    unknown = dataclasses.replace(facts, budget=np.full_like(facts.budget, np.nan))
    assert "line-step" in checks(judged(unknown))
    found = judged(facts)
    assert "line-step" in believed(found)
    assert {item.level for item in found.findings} == {Level.REVIEW}
    assert not found.untrusted


@pytest.mark.parametrize(
    ("times", "more"),
    [
        (3.0, {}),
        (3.0, {"told": 1.5}),
        (3.0, {"told": 3.0, "told_days": N_DAYS}),
        (3.0, {"told": 0.5}),
        (9.0, {"told": 9.0, "price": None}),
        (4.0, {"told": 4.0, "in_unit": True}),
        (0.25, {"told": 0.25, "in_unit": True}),
    ],
    ids=["not told", "less", "long ago", "a cut", "slip", "dearer unit", "cheaper unit"],
)
def test_a_step_that_nobody_set_is_not(times: float, more: dict[str, Any]) -> None:
    found = judged(stepped(times, **more))
    assert {"line-step", "spend-jump"} & checks(found)
    assert not believed(found)
    assert found.untrusted


@pytest.mark.parametrize(
    ("times", "check"), [(0.5, "partial-day"), (3.0, "day-jump")], ids=["halved", "trebled"]
)
def test_budgets_that_people_set_for_all_lines_are_no_fault_of_the_day(
    times: float, check: str
) -> None:
    assert check in believed(judged(stepped(times, told=times, lines=ALL)))
    found = judged(stepped(times, lines=ALL))
    assert check in checks(found) - believed(found)


def in_unit(times: float, days: int, *, lines: slice = slice(None), sold: float = 1.0) -> Facts:
    facts = shop()
    outcomes = {name: table.copy() for name, table in facts.outcomes.items()}
    outcomes["revenue"][-days:, lines] *= times * sold
    outcomes["conversions"][-days:] *= sold
    return dataclasses.replace(facts, outcomes=outcomes)


@pytest.mark.parametrize("times", [3.0, 1.95, 1 / 3.0])
@pytest.mark.parametrize("days", [4, 14, 27])
def test_another_unit_of_revenue_that_set_in_and_stayed_is_named(times: float, days: int) -> None:
    facts = in_unit(times, days)
    (said,) = [item for item in judged(facts).findings if item.check == "price-level"]
    assert said.message == (
        f"outcomes: a conversion brings {times:.3g} times as much since {facts.days[-days]}, on "
        "all lines alike, and no more come for the money"
    )


@pytest.mark.parametrize(
    "facts",
    [
        in_unit(1.3, 14),
        in_unit(3.0, 14, lines=slice(0, 3)),
        in_unit(2.0, 14, sold=2.0),
        in_unit(3.0, 40),
        shop(),
    ],
    ids=["a new price", "some lines", "a promotion", "long ago", "nothing"],
)
def test_a_price_that_moved_otherwise_is_not(facts: Facts) -> None:
    assert "price-level" not in checks(judged(facts))


@pytest.mark.parametrize("kind", TUNED_KINDS)
def test_no_healthy_market_is_told_that_its_unit_changed(kind: str) -> None:
    history = make_world(kind, 7000).morning().history
    unknown, there = np.full(history.spend.shape, np.nan), history.spend > 0
    verdict = Verdict()
    check_price_level(
        Facts(
            days=history.days,
            lines=history.lines,
            spend=history.spend,
            has_spend_row=there,
            budget=unknown,
            impressions=unknown,
            clicks=unknown,
            outcomes=history.outcomes,
            has_outcome_row=there,
        ),
        verdict,
    )
    assert verdict.findings == []
