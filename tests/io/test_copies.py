"""A newest day that is an older one again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.core.types import FloatArray
from pipeline.io.copies import check_copied_day
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict
from tests.io.test_named_days import N_DAYS, judged, shop


def market(**more: FloatArray) -> Facts:
    """Return a shop whose money is in whole cents."""
    facts = shop()
    return dataclasses.replace(facts, spend=np.round(facts.spend, 2), **more)


def again(facts: Facts, back: int, lines: slice = slice(None)) -> Facts:
    """Return the facts with a newest day that is one before."""
    spend, clicks = facts.spend.copy(), facts.clicks.copy()
    for table in (spend, clicks):
        table[-1, lines] = table[-1 - back, lines]
    return dataclasses.replace(facts, spend=spend, clicks=clicks)


def found(facts: Facts) -> list[Any]:
    verdict = Verdict()
    check_copied_day(facts, verdict)
    return verdict.findings


@pytest.mark.parametrize("back", [1, 7, 28])
def test_a_day_that_was_sent_again_under_a_new_date_is_named(back: int) -> None:
    facts = again(market(), back)
    (said,) = [item for item in judged(facts).findings if item.check == "copied-day"]
    assert said.level is Level.REVIEW
    assert f"{facts.days[-1]} are, line by line, those of {facts.days[-1 - back]}," in said.message


def steady() -> Facts:
    """Return lines that spend and are clicked alike on every second day."""
    facts = market()
    like = np.arange(N_DAYS) % 2
    return again(dataclasses.replace(facts, spend=facts.spend[like], clicks=facts.clicks[like]), 2)


def as_set() -> Facts:
    """Return lines that spend what is set, to the cent, and what was set is set again."""
    facts = again(market(), 1)
    return dataclasses.replace(facts, budget=facts.spend)


def uncounted() -> Facts:
    return again(market(clicks=np.full(shop().spend.shape, np.nan)), 1)


def counted_anew() -> Facts:
    facts = again(market(), 1)
    facts.clicks[-1, :2] += 1
    return facts


@pytest.mark.parametrize(
    "make",
    [market, steady, as_set, uncounted, counted_anew, lambda: again(market(), 1, slice(0, 2))],
    ids=["another day", "steady", "as set", "uncounted", "counted anew", "two lines"],
)
def test_a_day_that_may_well_be_like_another_is_not(make: Callable[[], Facts]) -> None:
    assert not found(make())
