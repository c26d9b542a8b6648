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


HILLS = [line(name, hill(100, 50), max=500) for name in "abcd"]


@pytest.mark.parametrize(
    ("limits", "cheapest"),
    [
        (
            {
                "groups": [
                    {"id": "g", "lines": ["a", "b"], "min": 10},
                    {"id": "h", "lines": ["c", "d"], "min": 10},
                ]
            },
            200 * 60 / 340,  # four lines alike: 400 x / (x + 50) = 60
        ),
        ({"guardrails": [{"metric": "spend", "min": 50}]}, 50.0),
        (
            {"guardrails": [{"metric": "outcome", "lines": ["b"], "min": 40}]},
            100 / 3 + 3 * 50 * 20 / 280,
        ),
        (
            {
                "groups": [
                    {"id": "g", "lines": ["a", "b"], "min": 40},
                    {"id": "h", "lines": ["b", "c"], "min": 40},
                ]
            },
            None,  # held by the proof alone
        ),
    ],
    ids=["two groups", "least spend", "least outcome of one", "crossing"],
)
def test_a_budget_that_limits_cannot_live_on_is_too_small_and_no_contradiction(limits, cheapest):
    made = problem(goal={"minimize": "spend", "outcome": 60}, lines=HILLS, **limits)
    found = least_spend(made, 60.0)
    assert found.solution.objective >= 60 * (1 - 1e-9)
    assert cheapest is None or found.total == pytest.approx(cheapest, rel=1e-4)
    assert found.total - found.lower_bound <= 1e-3 * found.total


def test_a_line_that_is_on_from_more_than_its_floor_is_no_contradiction():
    made = problem(
        goal={"minimize": "spend", "outcome": 1}, lines=[line("a", hill(100, 50), max=500, min=5,
                                                              min_if_on=10)]
    )  # fmt: skip
    assert least_spend(made, 1.0).total == pytest.approx(10)


def test_limits_that_contradict_each_other_at_any_budget_are_named_without_one():
    made = problem(
        goal={"minimize": "spend", "outcome": 60},
        lines=HILLS,
        groups=[{"id": "g", "lines": ["a", "b"], "min": 1001}],
    )
    with pytest.raises(InfeasibleError) as caught:
        least_spend(made, 60.0)
    assert set(caught.value.conflict) == {"g min", "a max", "b max"}
