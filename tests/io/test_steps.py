"""Steps that somebody set, and a unit of money that changed and stayed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.io.facts import Facts
from pipeline.io.price_levels import check_price_level
from pipeline.io.verdict import Verdict
from pipeline.simulation.worlds import TUNED_KINDS, make_world
from tests.io.test_named_days import N_DAYS, N_LINES, judged, shop

LINE = 2


def stepped(facts: Facts, times: float, column: FloatArray) -> Facts:
    """Return the facts with a line's newest money many times what it was."""
    spend, clicks = facts.spend.copy(), facts.clicks.copy()
    spend[-1, LINE] *= times
    clicks[-1, LINE] *= times
    return dataclasses.replace(facts, spend=spend, clicks=clicks, budget=column)


def told(times: float, days: int = 1) -> FloatArray:
    """Return a budget column that was raised some days ago."""
    column = np.tile(shop().spend.mean(axis=0), (N_DAYS, 1))
    column[-days:, LINE] *= times
    return column


def checks(found: Verdict) -> set[str]:
    return {item.check for item in found.findings}


def test_a_step_that_the_budget_column_tells_is_explained() -> None:
    unknown = np.full((N_DAYS, N_LINES), np.nan)
    assert "line-step" in checks(judged(stepped(shop(), 3.0, unknown)))
    assert "line-step" not in checks(judged(stepped(shop(), 3.0, told(3.0))))


@pytest.mark.parametrize(
    ("times", "column"),
    [(3.0, told(1.0)), (3.0, told(1.5)), (3.0, told(3.0, days=N_DAYS)), (9.0, told(9.0))],
    ids=["not told", "told less", "told long ago", "another unit in both"],
)
def test_a_step_that_nobody_set_is_not(times: float, column: FloatArray) -> None:
    assert {"line-step", "spend-jump"} & checks(judged(stepped(shop(), times, column)))


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
