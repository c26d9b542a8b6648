"""Nights on which nothing is new move nothing, and what must hold is never traded for that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.learning import Lesson
from pipeline.runs.decide import Decision, Facts, Models, decide
from pipeline.runs.exploring import lessons_of
from pipeline.runs.fitting import fit_models
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.step import is_trifle
from tests.runs.test_decide import DAY, facts

HEADING = Heading(plan_id="p", inputs_hash="", caps_version="")
LESSON = np.array([0.3, -0.3, 0.2, -0.2])


@pytest.fixture(scope="module")
def models() -> Models:
    return fit_models(facts())


def resting(**changes: object) -> Facts:
    """Return a night on which no step is likely enough to pay, and no lesson is wanted."""
    policy = facts(min_probability=0.999, exploration={"max_share": 0.0}).policy
    return replace(facts(), policy=policy, **changes)


def replace_money(lesson: Lesson, money: float) -> Lesson:
    return lesson.model_copy(update={"money": money})


def taught(models: Models) -> tuple[Facts, Decision]:
    """Return the second night of a lesson, and what the first decided."""
    monday = DAY + timedelta(days=1)
    policy = facts(min_probability=0.999).policy
    for week in range(12):
        night = replace(facts(), policy=policy, day=monday + timedelta(weeks=week))
        first = decide(night, models)
        if first.explored.any():
            day = night.day + timedelta(days=1)
            lessons = lessons_of(night, first.exploration)
            then = replace(night, day=day, current=first.budgets, explored=first.explored)
            return replace(then, lessons=lessons), first
    raise AssertionError("nothing was worth learning in twelve weeks")


def test_a_lesson_that_goes_on_moves_no_cent(models):
    night, _ = taught(models)
    drift = np.where(night.explored > 0, 0.01, np.where(night.explored < 0, -0.01, 0.0))
    drifted = replace(night, explored=night.explored + drift, current=night.current + drift)
    lessons = tuple(replace_money(item, item.money + 0.01) for item in night.lessons)
    drifted = replace(drifted, lessons=lessons)
    decision = decide(drifted, models)
    assert decision.trifle == 0.0  # it is the lesson that drifts, and no step that would pay
    assert decision.exploration is not None
    assert lessons_of(drifted, decision.exploration) == lessons  # one truth of line and account
    assert decision.exploration.budgets == pytest.approx(drifted.current)
    told = optimised_plan(HEADING, drifted, models, decision, decision.budgets.round(2), ())
    assert "no change is likely enough to pay; budgets stay as they are" in told.reasons
    assert told.exploration is not None
    per_line = sum(item.exploration for item in told.lines if item.exploration > 0)
    assert told.exploration.moved == pytest.approx(per_line, abs=0.01)
    assert decision.budgets.tolist() == drifted.current.tolist()
    assert decision.explored.tolist() == drifted.explored.tolist()


def test_a_lesson_that_ends_is_no_trifle_however_small(models):
    small = resting(current=facts().current + LESSON, explored=LESSON)
    decision = decide(small, models)
    assert decision.budgets == pytest.approx(small.current - LESSON)
    assert not decision.explored.any()


def test_a_total_of_some_cents_more_is_met_exactly(models):
    decision = decide(resting(wanted=1000.4), models)
    assert decision.budgets.sum() == pytest.approx(1000.4)


def test_a_cap_that_takes_some_cents_is_kept(models):
    cap = Cap(
        id="c", scope={"channel": "tv"}, max=299.9, status=CapStatus.APPROVED, proposed_by="fin"
    )
    decision = decide(resting(caps=(cap,)), models)
    assert decision.budgets[2] <= 299.9
    assert decision.budgets.sum() == pytest.approx(1000)


def test_a_step_that_is_worth_its_name_is_made(models):
    decision = decide(facts(), models)
    assert decision.trifle is None
    assert np.abs(decision.budgets - facts().current).sum() > 2


def test_one_line_that_changes_noticeably_is_no_trifle(models):
    """Two thousandths of a large line's money may be a tenth of a small one's."""
    small = resting(current=np.array([4.0, 296.0, 300.0, 400.0]))
    problem, none = decide(small, models).problem, np.zeros(4)

    def by(*change: float) -> np.ndarray:
        return small.current + np.array(change)

    assert not is_trifle(small, problem, by(0.4, -0.4, 0.0, 0.0), none)
    assert is_trifle(small, problem, by(0.0, -0.4, 0.0, 0.4), none)
    assert not is_trifle(small, problem, by(0.0, -2.0, 0.0, 2.0), none)


def test_other_pairs_on_the_same_lines_are_no_trifle(models):
    night, first = taught(models)
    assert first.exploration is not None
    problem, pairs = first.problem, {(m.up, m.down) for m in first.exploration.moves}
    assert is_trifle(night, problem, night.current, night.explored, pairs)
    turned = {(down, up) for up, down in pairs}
    assert not is_trifle(night, problem, night.current, night.explored, turned)


def test_a_night_that_leaves_a_trifle_says_so_and_one_that_finds_nothing_says_that(models):
    night = resting(current=facts().current + np.array([0.4, -0.4, 0.2, -0.2]))
    quiet = decide(night, models)
    plan = optimised_plan(HEADING, night, models, quiet, quiet.budgets.round(2), ())
    assert plan.reasons == ("no change is likely enough to pay; budgets stay as they are",)
    left = replace(quiet, trifle=0.6)
    plan = optimised_plan(HEADING, night, models, left, left.budgets.round(2), ())
    assert plan.reasons == (
        "all that is left to move is 0.60 EUR, a trifle; budgets stay as they are",
    )
    assert all("what is left to move is a trifle" in line.reason for line in plan.lines)
