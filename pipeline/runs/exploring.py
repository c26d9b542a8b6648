"""Tonight's exploration inside tonight's limits, at the prices that the policy sets."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipeline.allocation.explore import Exploration, explore, keep_on
from pipeline.allocation.lessons import Prices
from pipeline.allocation.pairs import FACES, Pair
from pipeline.allocation.problem import Problem
from pipeline.allocation.solve import is_allowed
from pipeline.core.curves import ResponseTable
from pipeline.core.learning import Lesson
from pipeline.core.types import FloatArray, IntArray, line_label
from pipeline.response.predict import Predictive

if TYPE_CHECKING:
    from pipeline.runs.decide import Ahead, Facts, Models

USUAL_NOISE = 0.25**2
"""Relative variance of a line's day, where the fit says nothing of days ahead."""


def explore_tonight(
    facts: Facts, problem: Problem, budgets: FloatArray, models: Models
) -> Exploration | None:
    """Return tonight's exploration; None where there may be none.

    Args:
        budgets: (n_lines,), the best known split as far as it is to be followed.
    """
    rules = facts.policy.exploration
    if rules.max_share <= 0 or problem.guardrails:
        return None
    table, prices = models.objective.table, _prices(facts, budgets, models)
    found = explore(problem, budgets, table, prices, _dice(facts), begun_this_week(facts))
    return found if is_allowed(problem, found.budgets) else None


def kept_lessons(
    facts: Facts, budgets: FloatArray, models: Models, found: Exploration | None
) -> Exploration | None:
    """Return the account of a night that changes no budget: its lessons at the money in force.

    Args:
        budgets: (n_lines,), today's without what is on them to learn.
        found: tonight's account; its pairs are all among the lessons in force.
    """
    if found is None:
        return None
    prices = _prices(facts, budgets, models)
    return keep_on(found, budgets, models.objective.table, prices, money_of_lessons(facts))


def _prices(facts: Facts, budgets: FloatArray, models: Models) -> Prices:
    rules = facts.policy.exploration
    noise, series = _taught_by(models.ahead, budgets, models.objective.table)
    return Prices(
        money_share=rules.max_share,
        cost_share=rules.max_cost_share,
        horizon_days=rules.horizon_days,
        ramp_share=facts.policy.max_daily_change,
        noise=noise,
        series=series,
    )


def _taught_by(
    ahead: Ahead | None, budgets: FloatArray, table: ResponseTable
) -> tuple[FloatArray, IntArray | None]:
    """Return what noise a line's lesson must stand out of, and what the line is known by.

    Both as in `Prices`. Where outcomes are known of groups, a group's noise is a multiple of what
    a line of it has.
    """
    if ahead is None:
        return np.full(budgets.size, USUAL_NOISE), None
    if isinstance(ahead, Predictive):
        return ahead.line_variance, None
    own = np.maximum((table.at(budgets) + table.organic).mean(axis=0), 1e-12)
    return ahead.night_variance() / np.square(own), ahead.unit_of % (len(ahead.units) + 1)


def lessons_of(facts: Facts, exploration: Exploration | None) -> tuple[Lesson, ...]:
    """Return tonight's lessons as later nights need them: lines by name, and since when."""
    if exploration is None:
        return ()
    names, begun = [line_label(line) for line in facts.history.lines], begun_this_week(facts)
    return tuple(
        Lesson(
            up=names[move.up],
            down=names[move.down],
            money=move.money,
            since=begun.get((move.up, move.down), facts.day),
        )
        for move in exploration.moves
    )


def stuck_lessons(facts: Facts, problem: Problem) -> FloatArray:
    """Return what lines that cannot move from today's budgets have on them to learn, (n_lines,).

    It stays there for as long as they do, and is no part of what they start from afterwards.
    """
    if facts.explored is None:
        return np.zeros_like(facts.current)
    is_stuck = (problem.lower == facts.current) & (problem.upper == facts.current)
    return np.where(is_stuck, facts.explored, 0.0)


def money_of_lessons(facts: Facts) -> dict[Pair, float]:
    """Return what is on each pair of lines to learn, by the place of the line that went up."""
    place = {line_label(line): index for index, line in enumerate(facts.history.lines)}
    return {
        (place[lesson.up], place[lesson.down]): lesson.money
        for lesson in facts.lessons
        if {lesson.up, lesson.down} <= place.keys()
    }


def begun_this_week(facts: Facts) -> dict[Pair, date]:
    """Return the pairs that were moved earlier in the week, with their first days.

    Lessons end with the week, and with either of their lines.
    """
    place = {line_label(line): index for index, line in enumerate(facts.history.lines)}
    return {
        (place[lesson.up], place[lesson.down]): lesson.since
        for lesson in facts.lessons
        if lesson.since is not None
        and lesson.since >= _monday(facts.day)
        and {lesson.up, lesson.down} <= place.keys()
    }


def _dice(facts: Facts) -> IntArray:
    """Return a number for each line that it has all week, whatever other lines there are."""
    week = f"{facts.policy.portfolio}|{_monday(facts.day).isoformat()}|explore"
    thrown = (
        hashlib.sha256(f"{week}|{line_label(line)}".encode()).digest()
        for line in facts.history.lines
    )
    return np.array([int.from_bytes(each[:8], "big") % FACES for each in thrown], dtype=np.int64)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
