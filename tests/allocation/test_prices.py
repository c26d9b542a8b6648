"""Prices of every kind of limit, held against what a little more of the limit earns."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.allocation.problem import Problem
from pipeline.allocation.solve import solve
from tests.allocation.problems import hill, line, problem
from tests.torture.report import Outcome
from tests.torture.splits import every_price_against_a_little_more

KINDS = {"budget", "l0 max", "l1 min", "l2 fixed", "cap", "floor", "across", "share", "return"}


def test_every_kind_of_limit_is_priced_at_what_a_little_more_of_it_earns():
    outcome = Outcome(unit="problems")
    wrong = [
        every_price_against_a_little_more(np.random.default_rng([2, case]), outcome)
        for case in range(12)
    ]
    assert wrong == [""] * len(wrong)
    assert {name.removeprefix("prices of ") for name in outcome.notes} >= KINDS


@pytest.mark.parametrize("step", [-0.05, 0.05])
def test_a_group_that_one_line_fills_is_priced_although_the_lines_own_box_ends_there(step):
    def outcome(most: float) -> tuple[float, float]:
        made = problem(
            budget=50,
            lines=[line("a", hill(9, 20)), line("b", hill(0.01, 20)), line("c", hill(4, 30))],
            groups=[{"id": "g", "lines": ["a", "b"], "max": most}],
        )
        found = solve(made)
        return found.objective, found.prices["g"]

    here, price = outcome(6.0)
    assert price == pytest.approx((outcome(6.0 + step)[0] - here) / step, rel=2e-2)
    assert price > 0.1


@pytest.mark.parametrize("seed", [1, 18])
def test_crossing_groups_are_priced_on_s_shaped_lines_too(seed):
    """A line alone in a full group is held by its box; what the group costs is the group's."""
    rng = np.random.default_rng(seed)
    names = [f"l{i}" for i in range(int(rng.integers(3, 6)))]
    budget, spend = float(rng.uniform(30, 60)), str(rng.choice(["exactly", "at_most"]))
    lines = [
        line(name, hill(*rng.uniform((3, 4, 1.2), (9, 15, 3.5))), max=float(rng.uniform(15, 40)))
        for name in names
    ]
    caps = {"ab": float(rng.uniform(8, 25)), "bc": float(rng.uniform(8, 25))}
    inside = {"ab": names[:2], "bc": names[1:3]}

    def solved(**changed: float):
        groups = [
            {"id": name, "lines": inside[name], "max": most}
            for name, most in {**caps, **changed}.items()
        ]
        return solve(problem(budget=budget, spend=spend, lines=lines, groups=groups))

    here = solved()
    for name, most in caps.items():
        step = 1e-3 * most
        earns = (solved(**{name: most + step}).objective - here.objective) / step
        loses = (here.objective - solved(**{name: most - step}).objective) / step
        assert min(earns, loses) - 1e-3 <= here.prices[name] <= max(earns, loses) + 1e-3


@pytest.mark.parametrize(
    ("rail", "spend", "budget_price"),
    [
        ({"metric": "return", "max": 1.25}, "exactly", 1.25),
        ({"metric": "cpa", "min": 0.8}, "at_most", 1.25),
        ({"metric": "outcome", "max": 120}, "at_most", 0.0),
        ({"metric": "orders_per_spend", "max": 0.2}, "exactly", None),
    ],
    ids=lambda value: value["metric"] if isinstance(value, dict) else str(value),
)
def test_limits_that_ask_for_less_are_priced_at_what_a_little_more_of_them_earns(
    rail, spend, budget_price
):
    """An outcome held down earns what is allowed: the limit, times the money where it is a rate."""
    lines = [
        line("a", hill(100, 50), metrics={"orders": hill(12, 20)}),
        line("b", hill(200, 80), metrics={"orders": hill(40, 90)}),
    ]
    side = "max" if "max" in rail else "min"

    def solved(limit: float = 1.0, money: float = 100.0):
        own = {**rail, side: rail[side] * limit}
        return solve(problem(budget=money, spend=spend, lines=lines, guardrails=[own]))

    here = solved()
    by_limit = (solved(1.02).objective - here.objective) / 0.02 / rail[side]
    by_money = (solved(money=102).objective - here.objective) / 2
    assert here.prices[rail["metric"]] == pytest.approx(by_limit, rel=0.05, abs=1e-2)
    assert here.prices["budget"] == pytest.approx(by_money, rel=0.03, abs=1e-2)
    if budget_price is not None:
        assert here.prices["budget"] == pytest.approx(budget_price, abs=1e-6)


def test_money_that_one_line_takes_beside_the_others_floors_is_priced_at_what_that_line_earns():
    """The line's box ends where the money does; more money would move that end."""
    spend = np.array([0, 0.5, 0.75, 1, 1.25, 1.5, 2]) * 10.0
    slopes = np.array([[2.3, 2.1, 0.7, 0.4, 0.3, 0.2], [2.5, 2.3, 2.1, 1.8, 1.6, 0.8]])
    value = np.pad(np.cumsum(slopes * np.diff(spend), axis=1), ((0, 0), (1, 0)))

    def solved(budget: float):
        return solve(
            Problem.from_tables(
                ids=["flat", "steep"],
                spend=np.stack([spend, spend]),
                value=value,
                lower=np.full(2, 7.5),
                upper=np.full(2, 12.5),
                budget=budget,
            )
        )

    here, step = solved(19.2), 1e-4
    assert here.spend == pytest.approx([7.5, 11.7])
    earns = (solved(19.2 + step).objective - here.objective) / step
    assert here.prices["budget"] == pytest.approx(earns, rel=1e-3)
