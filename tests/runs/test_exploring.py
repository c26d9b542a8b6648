"""Lessons from night to night: begun on one, kept through the week, over with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.learning import Lesson
from pipeline.core.types import FloatArray
from pipeline.runs.decide import Decision, Facts, decide
from pipeline.runs.exploring import lessons_of
from pipeline.runs.fitting import fit_models
from tests.runs.test_decide import DAY, morning

MONDAY = DAY + timedelta(days=1)
NAMES = tuple("bdfhjlnp")
STILL = {"min_probability": 0.999}  # so that budgets move to learn only
USUAL = {**STILL, "exploration": {"max_share": 1.0, "max_cost_share": 1.0, "horizon_days": 365}}
NO_USE = {**STILL, "exploration": {"max_share": 1.0, "max_cost_share": 1.0, "horizon_days": 1}}
"""With one night to use it, nothing is worth learning: only what has begun goes on."""


def market(names: tuple[str, ...], day: int = 0, **settings: object) -> Facts:
    """Return the morning of a market in which a line looks alike, whatever lines are beside it."""
    current = np.full(len(names), 100.0)
    moved, noise = (
        np.stack([draw_of(name, kind).standard_normal(60) for name in names], axis=1)
        for kind in (0, 1)
    )
    spend = current * np.exp(0.3 * moved)
    revenue = 3 * current * (spend / current) ** 0.4 * np.exp(0.2 * noise)
    lines = tuple((name,) for name in names)
    known = morning(lines, current, spend, revenue, **(settings or USUAL))
    return replace(known, day=MONDAY + timedelta(days=day), wanted=float(current.sum()))


def draw_of(name: str, kind: int) -> np.random.Generator:
    return np.random.default_rng([ord(name), kind])


def begun() -> tuple[Facts, Decision]:
    known = market(NAMES)
    first = decide(known, fit_models(known))
    assert len(lessons_of(known, first.exploration)) >= 3
    return known, first


def after(known: Facts, first: Decision, later: Facts) -> Facts:
    """Return a later morning that finds what an earlier night had set, line by line."""
    set_to = dict(zip(known.history.lines, first.budgets.tolist(), strict=True))
    learned = dict(zip(known.history.lines, first.explored.tolist(), strict=True))
    current = np.array([set_to.get(line, 100.0) for line in later.history.lines])
    return replace(
        later,
        current=current,
        wanted=float(current.sum()),
        explored=np.array([learned.get(line, 0.0) for line in later.history.lines]),
        lessons=lessons_of(known, first.exploration),
    )


def pairs(lessons: tuple[Lesson, ...]) -> set[tuple[str, str]]:
    return {(lesson.up, lesson.down) for lesson in lessons}


def tonight(known: Facts) -> tuple[Lesson, ...]:
    return lessons_of(known, decide(known, fit_models(known)).exploration)


def test_a_lesson_lasts_a_week_and_leaves_nothing_behind():
    """Nights of a week move the same pairs; the next week starts from where they came from."""
    known, first = begun()
    sixth = after(known, first, market(NAMES, 6, **NO_USE))
    lessons = tonight(sixth)
    assert pairs(lessons) == pairs(lessons_of(known, first.exploration))
    assert {lesson.since for lesson in lessons} == {MONDAY}
    over = market(NAMES, 7, exploration={"max_share": 0.0}, **STILL)
    ended = after(known, first, over)
    plain = first.budgets - first.explored
    assert decide(ended, fit_models(ended)).budgets == pytest.approx(plain)


@pytest.mark.parametrize("new", [("a",), ("g",), ("z",), ("a", "e", "z")])
def test_lessons_go_on_beside_lines_that_begin_in_the_week(new: tuple[str, ...]):
    known, first = begun()
    second = after(known, first, market(tuple(sorted((*NAMES, *new))), 1, **NO_USE))
    assert pairs(tonight(second)) == pairs(lessons_of(known, first.exploration))


def test_a_lesson_ends_with_either_of_its_lines_and_no_other_does():
    known, first = begun()
    lessons = lessons_of(known, first.exploration)
    gone = lessons[0].down
    left = tuple(name for name in NAMES if name != gone)
    second = after(known, first, market(left, 1, **NO_USE))
    assert pairs(tonight(second)) == pairs(lessons) - {(lessons[0].up, gone)}


def test_what_a_held_line_has_to_learn_stays_that_until_it_moves_again():
    known, first = begun()
    lessons = lessons_of(known, first.exploration)
    place = NAMES.index(lessons[0].up)
    second = after(known, first, market(NAMES, 7, **NO_USE))
    held = replace(second, held_scopes=({"channel": NAMES[place]},))
    plan = decide(held, fit_models(held))
    assert plan.budgets[place] == first.budgets[place]
    assert np.flatnonzero(plan.explored).tolist() == [place]
    assert plan.explored[place] == first.explored[place]
    free = replace(second, current=plan.budgets, explored=plan.explored, lessons=())
    assert decide(free, fit_models(free)).budgets == pytest.approx(known.current, abs=1.5)


def test_in_a_new_week_every_lesson_begins_anew_and_must_pay():
    known, first = begun()
    for week in range(1, 5):
        later = after(known, first, market(NAMES, 7 * week, **NO_USE))
        assert tonight(later) == ()
        paying = tonight(after(known, first, market(NAMES, 7 * week)))
        assert {lesson.since for lesson in paying} <= {later.day}


def test_another_week_rolls_other_dice_and_a_night_of_the_same_week_does_not():
    def rolled(day: int) -> FloatArray:
        known = market(NAMES, day)
        return decide(known, models).explored

    models = fit_models(market(NAMES))
    assert rolled(0) == pytest.approx(rolled(6))
    assert len({np.sign(rolled(7 * week)).tobytes() for week in range(6)}) > 1
