"""Why a line moves or stays: true words, with the numbers that decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.runs.decide import Decision, Facts, decide
from pipeline.runs.fitting import fit_models
from pipeline.runs.plan import Heading, optimised_plan
from pipeline.runs.reasons import Returns, reason_of
from tests.runs.test_decide import facts

EARNS = "the next EUR earns {} revenue, {}"


def same(value: float) -> Returns:
    """Return the returns of a line that earns the same today and with the plan."""
    return Returns(now=value, then=value)


def moved_so(known: Facts, explored: float = 0.0, **changes: Any) -> Decision:
    """Return a decision whose price of money is 1 and whose first line changes by 10 %."""
    decision = decide(known, fit_models(known))
    prices = decision.solution.limit_price.copy()
    prices[0] = 1.0
    budgets = decision.budgets.copy()
    budgets[0] = 1.1 * known.current[0]
    budgets[1] += known.current.sum() - budgets.sum()
    learned = np.zeros_like(budgets)
    learned[0] = explored
    made = {
        "solution": replace(decision.solution, limit_price=prices),
        "budgets": budgets,
        "explored": learned,
    }
    return replace(decision, **(made | changes))


@pytest.fixture(scope="module")
def known() -> Facts:
    return facts(exploration={"max_share": 0.0})


@pytest.fixture(scope="module")
def decision(known: Facts) -> Decision:
    return moved_so(known)


def test_a_line_that_rises_earned_more_at_todays_budget_and_one_that_falls_less(known):
    """The figure at the new budget cannot say that: where lines are free it is the same for all."""
    models = fit_models(known)
    made = decide(known, models)
    heading = Heading(plan_id="p", inputs_hash="", caps_version="")
    plan = optimised_plan(heading, known, models, made, made.budgets.round(2), ())
    today = made.table.marginal(known.current).mean(axis=0)
    price = made.solution.prices["budget"]
    for line, now in zip(plan.lines, today, strict=True):
        assert line.marginal_return is not None
        if line.action in ("scale", "reduce"):
            assert bool(now > price) is (line.action == "scale")
            then = line.marginal_return.mean
            assert f"earns {now:.2f} revenue at today's budget and {then:.2f} at" in line.reason


def test_a_price_of_nothing_is_not_told_as_what_other_lines_earn(known):
    decision = decide(known, fit_models(known))
    said = reason_of(known, decision, 0, "scale", same(2.9), ("ramp",))
    assert " elsewhere; stopped by" in said
    prices = decision.solution.limit_price.copy()
    prices[0] = 1e-12
    stuck = replace(decision, solution=replace(decision.solution, limit_price=prices))
    said = reason_of(known, stuck, 0, "scale", same(2.9), ("ramp",))
    assert said == "the next EUR earns 2.90 revenue; stopped by the daily limit of 25%"


def test_a_reason_is_true_where_a_line_moves_against_what_its_next_unit_earns(known, decision):
    said = reason_of(known, decision, 0, "scale", Returns(now=1.4, then=1.1), ())
    assert said == (
        "the next EUR earns 1.40 revenue at today's budget and 1.10 at the new one, 1.00 elsewhere"
    )
    for action in ("scale", "reduce", "hold"):  # one situation, one wording
        said = reason_of(known, decision, 0, action, same(0.98), ())
        assert said.startswith(EARNS.format("0.98", "about as much as elsewhere (1.00)"))
    said = reason_of(known, decision, 0, "scale", same(0.8), ())
    assert said == EARNS.format("0.80", "1.00 elsewhere; it is part of the best split of all lines")
    less = replace(decision, budgets=0.9 * known.current)
    said = reason_of(known, less, 0, "reduce", same(1.4), ())
    assert said == EARNS.format(
        "1.40",
        "1.00 elsewhere; it moves with the day's money, which is less than today's budgets",
    )


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (0.0, 12.5, "a lesson begins, +12.50 until the week ends"),
        (-12.5, 0.0, "its lesson is over, +12.50"),
        (10.0, 22.5, "its lesson goes from +10.00 to +22.50"),
        (-4.0, 8.5, "its lesson goes from -4.00 to +8.50"),
    ],
)
def test_a_reason_tells_what_tonight_does_to_a_lesson(known, decision, before, now, words):
    begun = np.array([before, 0.0, 0.0, 0.0])
    taught = replace(known, explored=begun)
    learned = replace(decision, explored=np.array([now, 0.0, 0.0, 0.0]))
    said = reason_of(taught, learned, 0, "scale", same(0.8), ("ramp",))
    assert said == EARNS.format(
        "0.80", f"1.00 elsewhere; {words}; stopped by the daily limit of 25%"
    )
    by_lesson = replace(learned, budgets=known.current + learned.explored - begun)
    said = reason_of(taught, by_lesson, 0, "test", same(0.8), ())
    whole = {0.0: "moved to learn its curve until the week ends"}.get(before, words)
    whole = whole if now else "goes back: its lesson is over"
    assert said == f"{whole}; the next EUR earns 0.80 revenue"


def test_a_lesson_that_stays_explains_no_move(known, decision):
    lesson = np.array([-115.0, 0.0, 0.0, 0.0])
    taught, learned = replace(known, explored=lesson), replace(decision, explored=lesson)
    said = reason_of(taught, learned, 0, "reduce", same(1.4), ())
    assert "lesson" not in said
    assert "to learn" not in said
    said = reason_of(taught, learned, 0, "reduce", Returns(now=1.4, then=1.4, plain=0.9), ())
    assert said == EARNS.format(
        "1.40", "1.00 elsewhere; without the -115.00 that are on it to learn it earns 0.90"
    )
    resized = replace(learned, explored=lesson + 0.5)
    assert "lesson" not in reason_of(taught, resized, 0, "scale", same(1.4), ())


def test_a_reason_names_the_guardrail_that_cuts_a_line_or_holds_it_back():
    line = facts().history.lines[0]
    scope = {"channel": line[0]}
    known = facts(guardrails=[{"metric": "roas", "min": 6.0, "scope": scope}])
    decision = moved_so(known)
    said = reason_of(known, decision, 0, "reduce", same(1.4), ())
    name = f"roas min 6 (channel={line[0]})"
    assert said.endswith(f"1.00 elsewhere; the guardrail {name} asks for it")
    said = reason_of(known, decision, 0, "scale", same(1.4), ())
    assert said.endswith(f"1.00 elsewhere; held back by the guardrail {name}")
    other = next(i for i, key in enumerate(known.history.lines) if key[0] != line[0])
    assert "guardrail" not in reason_of(known, decision, other, "scale", same(1.4), ())


def test_a_cent_is_told_as_rounding_and_one_line_has_no_elsewhere(known, decision):
    cent = replace(decision, budgets=known.current + 0.01)
    said = reason_of(known, cent, 0, "scale", same(1.4), ())
    assert said.startswith("only rounded, so that all lines add up to the day's money; the next")
    history = replace(
        known.history,
        lines=known.history.lines[:1],
        spend=known.history.spend[:, :1],
        outcomes={name: table[:, :1] for name, table in known.history.outcomes.items()},
        trusted=known.history.trusted[:, :1],
    )
    alone = replace(known, history=history)
    assert reason_of(alone, decision, 0, "scale", same(1.4), ()) == (
        "the next EUR earns 1.40 revenue"
    )


def test_a_line_so_small_that_the_daily_limit_is_less_than_a_cent_says_that(known, decision):
    tiny = replace(known, current=np.array([0.02, 200.0, 300.0, 499.98]))
    said = reason_of(tiny, decision, 0, "hold", same(15.71), ("ramp",))
    assert said == EARNS.format(
        "15.71",
        "1.00 elsewhere; the daily limit of 25% is less than 0.01 EUR here: "
        "to move it, have finance approve a fixed amount",
    )
