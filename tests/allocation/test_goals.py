"""Least spend for a target, the outcome curve, and what a changed limit would do."""

from __future__ import annotations

import pytest

from pipeline.allocation.goals import least_spend, outcome_curve, what_if
from pipeline.allocation.solve import solve
from pipeline.core.errors import ConfigError, InfeasibleError
from tests.allocation.problems import hill, line, problem

LINES = [
    line("a", hill(9, 40, 0.9), max=80),
    line("b", {"family": "exponential", "ceiling": 7, "scale": 30}, max=80),
]
GROUP = {"id": "g", "lines": ["a"], "max": 30}


@pytest.mark.parametrize("curve", [hill(5, 30), hill(8, 30, 3)], ids=["concave", "s-shaped"])
def test_the_least_spend_reaches_the_target_and_nothing_less_does(curve):
    made = problem(budget=150, spend="at_most", lines=[*LINES, line("c", curve, max=60)])
    found = least_spend(made, 8.0)
    assert found.solution.objective >= 8.0 * (1 - 1e-9)
    below = solve(made.changed(budget=found.total * 0.99))
    assert below.objective < 8.0
    assert found.lower_bound <= found.total
    assert found.total - found.lower_bound <= 2e-3 * found.total


def test_a_target_out_of_reach_says_how_far_it_goes():
    with pytest.raises(InfeasibleError, match="cannot be reached"):
        least_spend(problem(budget=150, spend="at_most", lines=LINES), 100.0)


def test_a_floor_that_already_reaches_the_target_is_the_answer():
    made = problem(budget=150, spend="at_most", lines=[line("a", hill(9, 10), min=50)])
    assert least_spend(made, 1.0).total == pytest.approx(50)


def test_the_outcome_curve_rises_and_flattens_and_its_price_is_its_slope():
    points = outcome_curve(problem(budget=100, lines=LINES), [10, 20, 40, 80, 120])
    outcomes = [point.outcome for point in points]
    prices = [point.price for point in points]
    assert outcomes == sorted(outcomes)
    assert prices == sorted(prices, reverse=True)
    slope = (outcomes[2] - outcomes[1]) / 20
    assert prices[2] < slope < prices[1]


def test_a_budget_that_the_limits_cannot_spend_is_left_out_of_the_curve():
    points = outcome_curve(problem(budget=100, lines=LINES), [100, 500])
    assert [point.budget for point in points] == [100]


def test_what_if_compares_two_plans_line_by_line():
    made = problem(budget=100, lines=LINES, groups=[GROUP])
    found = what_if(made, group_limits={"g": (0, 60)})
    assert found.gained > 0
    assert found.moved.sum() == pytest.approx(0)
    assert found.after.spend[0] > found.before.spend[0]
    assert what_if(made, budget=90).gained < 0
    assert what_if(made, line_limits={"a": (0, 25)}).after.spend[0] == pytest.approx(25)


def test_what_if_refuses_a_name_that_does_not_exist():
    with pytest.raises(ConfigError, match="'nope'"):
        what_if(problem(budget=100, lines=LINES), group_limits={"nope": (0, 1)})
