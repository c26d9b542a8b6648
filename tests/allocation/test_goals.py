"""Least spend for a target, and the outcome of every budget."""

from __future__ import annotations

import pytest

from pipeline.allocation.goals import least_spend, outcome_curve
from pipeline.allocation.solve import solve
from pipeline.core.errors import InfeasibleError
from tests.allocation.problems import hill, line, problem

LINES = [
    line("a", hill(9, 40, 0.9), max=80),
    line("b", {"family": "exponential", "ceiling": 7, "scale": 30}, max=80),
]


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
