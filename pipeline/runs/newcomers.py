"""Lines that have only just begun: what they keep to learn from, and when that ends.

The first days of a line say next to nothing, and least of all where outcomes are late. A plan that
followed them would cut a line before anything can be known of it, and for good: without money
nothing is learned. So a newcomer is not cut below what it began with while it learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.curves import SUMMED_LINES, ResponseTable
from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.runs.step import without_lessons

if TYPE_CHECKING:
    from pipeline.runs.decide import BestSplit, Facts

FIRST_DAYS = 7
"""A line's first days with spend: their mean is what it began with, and before they are over no
line is given up. In a portfolio's own first days all lines are as new as each other."""


class Stand(StrEnum):
    """What becomes of a newcomer's learning budget tonight."""

    KEPT = "kept"
    UNTOUCHED = "untouched"
    GIVEN_UP = "given up"
    NO_ROOM = "no room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A line that has begun of late.

    Attributes:
        place: of the line.
        since: its first day with spend.
        days: with spend so far.
        least: its learning budget, account currency: what it is not cut below.
        chance: that its next unit of money earns more there than money does elsewhere; None
            where there is nothing to hold it against.
        stand: `untouched` where the best split leaves it that much anyway.
    """

    place: int
    since: date
    days: int
    least: float
    chance: float | None = None
    stand: Stand = Stand.UNTOUCHED


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningBudgets:
    """The newcomers of a night, and what they take.

    Attributes:
        most: money that they may keep together.
        cost: outcome a day that the best split earns less for their sake.
    """

    lines: tuple[Newcomer, ...] = ()
    most: float = 0.0
    cost: float = 0.0

    def floors(self) -> dict[int, float]:
        """Return the learning budgets that are kept, by place of their line."""
        return {item.place: item.least for item in self.lines if item.stand is Stand.KEPT}


def learning_budgets(facts: Facts, best: BestSplit, table: ResponseTable) -> LearningBudgets:
    """Return which newcomers keep their learning budget tonight, and which are given up.

    Args:
        best: the best split if none kept anything.
        table: joint draws of the objective.
    """
    rules, held = facts.policy.new_lines, best.limits.held
    found = [
        item
        for item in _newcomers(facts.history, _own(facts), int(rules.days))
        if not held[item.place]
    ]
    most = rules.max_share * best.total
    if not found or most <= 0:
        return LearningBudgets()
    chances = _chances(found, best, table)
    told = [
        replace(
            item,
            chance=chances.get(item.place),
            stand=_stand(item, best, chances.get(item.place), rules.give_up_below),
        )
        for item in found
    ]
    asked = sum(item.least for item in told if item.stand is Stand.KEPT)
    share = min(1.0, most / asked) if asked > 0 else 1.0
    lines = tuple(_shared(item, best, share) for item in told)
    return LearningBudgets(lines=lines, most=most)


def kept_in(spend: FloatArray, found: LearningBudgets) -> LearningBudgets:
    """Return what became of the learning budgets in a split: some may have had no room.

    Args:
        spend: (n_lines,).
    """
    lines = tuple(
        replace(item, stand=Stand.NO_ROOM)
        if item.stand is Stand.KEPT and spend[item.place] < 0.999 * item.least
        else item
        for item in found.lines
    )
    return replace(found, lines=lines)


def _own(facts: Facts) -> FloatArray:
    """Return today's budgets, (n_lines,), without money that a lesson has added to them.

    What a lesson adds goes back when it ends, and it is in what the line spent on its first days.
    """
    return np.minimum(facts.current, without_lessons(facts))


def _newcomers(history: History, current: FloatArray, days: int) -> Iterator[Newcomer]:
    """Yield the lines that have begun of late and have a budget, with what they began with."""
    spends = history.spend > 0
    count, first = spends.sum(axis=0), np.argmax(spends, axis=0)
    recent = len(history.days) - first <= 2 * days
    new = (count > 0) & (count < days) & recent & (first >= FIRST_DAYS) & (current > 0)
    for place in np.flatnonzero(new).tolist():
        begun = history.spend[spends[:, place], place][:FIRST_DAYS]
        yield Newcomer(
            place=place,
            since=history.days[first[place]],
            days=int(count[place]),
            # Never a raise: who was given up once and cut stays where that led.
            least=min(float(begun.mean()), float(current[place])),
        )


def _stand(item: Newcomer, best: BestSplit, chance: float | None, give_up_below: float) -> Stand:
    if item.days >= FIRST_DAYS and chance is not None and chance < give_up_below:
        return Stand.GIVEN_UP
    is_above = best.solution.spend[item.place] >= item.least
    return Stand.UNTOUCHED if is_above else Stand.KEPT


def _shared(item: Newcomer, best: BestSplit, share: float) -> Newcomer:
    """Return a newcomer with its part of what all may keep; a part may be no floor tonight."""
    if item.stand is not Stand.KEPT:
        return item
    least = item.least * share
    is_floor = best.solution.spend[item.place] < least
    return replace(item, least=least, stand=Stand.KEPT if is_floor else Stand.UNTOUCHED)


def _chances(
    found: Sequence[Newcomer], best: BestSplit, table: ResponseTable
) -> Mapping[int, float]:
    """Return each newcomer's chance that its next unit of money earns more than one elsewhere.

    Elsewhere is the mean over the lines that no limit stops, by their money: at the best split
    those earn alike. What all lines may be wrong about in common thus decides nothing.
    """
    spend, problem = best.solution.spend, best.problem
    asked, settled = spend.copy(), np.ones(spend.size, dtype=bool)
    for item in found:
        asked[item.place], settled[item.place] = item.least, False
    slack = 1e-6 * np.maximum(spend, 1.0)
    free = settled & (spend > problem.lower + slack) & (spend < problem.upper - slack)
    others = free if free.any() else settled & (spend > 0)
    if not others.any():
        return {}
    weight = np.where(others, spend, 0.0) / spend[others].sum()
    elsewhere, own = np.zeros(len(table.value)), dict[int, FloatArray]()
    for first in range(0, spend.size, SUMMED_LINES):
        block = slice(first, first + SUMMED_LINES)
        returned = table.marginal(asked, block)
        elsewhere += returned @ weight[block]
        inside = [item.place for item in found if first <= item.place < first + SUMMED_LINES]
        own |= {place: returned[:, place - first].copy() for place in inside}
    return {place: float((draws > elsewhere).mean()) for place, draws in own.items()}
