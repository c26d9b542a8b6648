"""What `allocate` says of plans in whole units: the truth about the amounts it prints."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.allocation.answer import answer
from pipeline.allocation.document import parse_problem
from pipeline.core.errors import ConfigError, InfeasibleError, UndecidedError
from tests.allocation.problems import hill, line

PAIR = [line("a", hill(100, 50)), line("b", hill(200, 80))]
ALIKE = [line("a", hill(100, 50), max=500), line("b", hill(100, 50), max=500)]
STEEP = [line("a", hill(100, 50, 4), max=500), line("b", hill(100, 50, 4), max=500)]


def _answer(**fields: Any) -> dict[str, Any]:
    return answer(parse_problem(fields, "test"))


@pytest.mark.parametrize(
    ("money", "lines", "least"),
    [
        ({"unit": 10}, ALIKE, 50),
        ({"currency": "EUR"}, ALIKE, 42.86),
        ({"currency": "JPY"}, ALIKE, 43),
        ({"unit": 10}, STEEP, 60),
    ],
)
def test_the_least_spend_in_whole_units_reaches_its_target(money, lines, least):
    found = _answer(goal={"minimize": "spend", "outcome": 60}, lines=lines, **money)
    assert found["outcome"] >= 60
    assert found["total_spend"] == pytest.approx(least)
    assert found["lower_bound"] <= found["total_spend"]
    assert found["status"] == "optimal"


def test_a_target_that_no_whole_amounts_were_found_for_is_said():
    goal = {"minimize": "spend", "outcome": 66}
    with pytest.raises(UndecidedError, match="smaller unit"):
        _answer(goal=goal, unit=300, lines=[line("a", hill(100, 50), max=299)])


def test_an_amount_at_most_is_not_exceeded_by_rounding():
    found = _answer(budget=100, unit=60, spend="at_most", lines=PAIR)
    assert found["total_spend"] == 60
    assert found["upper_bound"] == pytest.approx(130.919, rel=1e-4)
    assert found["status"] == "feasible"
    assert found["gap"] == pytest.approx(1 - found["objective"] / found["upper_bound"])
    with pytest.raises(InfeasibleError, match="no whole amount"):
        _answer(budget=3.6, unit=1, spend="at_most", lines=[line("a", hill(1, 1), min=3.2)])


def test_a_plan_that_rounding_takes_far_below_its_bound_is_not_called_optimal():
    found = _answer(budget=100, unit=100, lines=ALIKE)
    assert (found["status"], found["upper_bound"]) == ("feasible", pytest.approx(100))
    assert _answer(budget=100, unit=0.01, lines=ALIKE)["status"] == "optimal"


@pytest.mark.parametrize(
    ("budget", "unit", "nearest"), [(100, 60, "60 or 120"), (150, 100, "100 or 200")]
)
def test_an_exact_budget_of_no_whole_units_is_refused_with_the_nearest(budget, unit, nearest):
    with pytest.raises(ConfigError, match=f"give {nearest}"):
        _answer(budget=budget, unit=unit, lines=PAIR)


def test_a_currency_or_a_months_money_needs_no_whole_cents():
    assert _answer(budget=1000 / 3, currency="EUR", lines=PAIR)["total_spend"] == 333.33
    assert _answer(budget=100.6, currency="JPY", lines=PAIR)["total_spend"] == 101
    month = {"total": 3001, "spent": 100, "day": 2, "demand": [1.0] * 30}
    found = _answer(pacing=month, unit=1, lines=PAIR)
    assert found["total_spend"] == found["pacing"]["today"] // 1


def test_an_illegal_plan_is_refused_and_never_its_own_bound():
    rail = {"metric": "spend", "lines": ["a"], "min": 11, "id": "some of a"}
    most = {"metric": "spend", "lines": ["a"], "max": 19, "id": "little of a"}
    with pytest.raises(UndecidedError, match=r"(little|some) of a"):
        _answer(budget=100, unit=10, lines=PAIR, guardrails=[rail, most])
    found = _answer(budget=100, unit=5, lines=PAIR, guardrails=[rail, most])
    assert found["spend"] == {"a": 15, "b": 85}
    assert found["objective"] < found["upper_bound"] < 130
