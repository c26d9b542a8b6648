"""Whole minor units with every limit exactly kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.allocation.rounding import round_spend
from pipeline.allocation.solve import solve
from pipeline.core.errors import ConfigError, InfeasibleError
from tests.allocation.problems import concave_curves, hill, line, problem

CENT = 0.01


def _cents(amounts: np.ndarray) -> np.ndarray:
    cents = np.round(amounts * 100)
    assert amounts == pytest.approx(cents / 100, abs=1e-12)
    return cents.astype(int)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    curves=st.lists(concave_curves, min_size=2, max_size=7),
    budget=st.integers(1, 5000),
    cap=st.floats(0.2, 0.9),
    inner=st.floats(0.2, 0.9),
)
def test_line_group_and_total_limits_hold_to_the_cent(curves, budget, cap, inner):
    names = [f"l{i}" for i in range(len(curves))]
    outer_max = cap * budget / 100
    made = problem(
        budget=budget / 100,
        lines=[line(name, curve) for name, curve in zip(names, curves, strict=True)],
        groups=[
            {"id": "outer", "lines": names[:-1], "max": outer_max},
            {"id": "inner", "lines": names[:1], "max": inner * outer_max},
        ],
    )
    found = solve(made).spend
    cents = _cents(round_spend(made, found, CENT))
    assert cents.sum() == budget
    assert cents[:-1].sum() <= outer_max * 100 + 1e-6  # the cap itself has no exact float
    assert cents[0] <= inner * outer_max * 100 + 1e-6
    assert (np.abs(cents - found * 100) <= len(curves) + 1).all()


def test_a_cap_is_kept_where_the_largest_remainder_would_break_it():
    made = problem(
        budget=1.0,
        lines=[line(name, hill(1, 1)) for name in ("a", "b", "c")],
        groups=[{"id": "g", "lines": ["a", "b"], "max": 0.668}],
    )
    cents = _cents(round_spend(made, np.array([0.334, 0.334, 0.332]), CENT))
    assert cents.sum() == 100
    assert cents[0] + cents[1] == 66


def test_groups_that_cut_across_are_kept():
    names = ["a", "b", "c", "d"]
    made = problem(
        budget=2.0,
        spend="at_most",
        lines=[line(name, hill(1, 1)) for name in names],
        groups=[
            {"id": "ab", "lines": ["a", "b"], "max": 0.999},
            {"id": "bc", "lines": ["b", "c"], "max": 0.999},
            {"id": "cd", "lines": ["c", "d"], "max": 0.999},
        ],
    )
    cents = _cents(round_spend(made, np.array([0.4995, 0.4995, 0.4995, 0.4995]), CENT))
    for left, right in ((0, 1), (1, 2), (2, 3)):
        assert cents[left] + cents[right] <= 99
    assert cents.sum() >= 197


def test_a_line_that_must_stay_off_or_reach_its_least_does():
    made = problem(
        budget=10.0,
        lines=[line("a", hill(1, 1), min_if_on=3.335), line("b", hill(1, 1), min_if_on=4)],
    )
    cents = _cents(round_spend(made, np.array([3.335, 6.665]), CENT))
    assert cents.tolist() == [334, 666]


def test_limits_without_a_whole_amount_between_them_are_refused():
    made = problem(
        budget=1.0, lines=[line("a", hill(1, 1), min=0.001, max=0.002), line("b", hill(1, 1))]
    )
    with pytest.raises(InfeasibleError, match="whole amount"):
        round_spend(made, np.array([0.0015, 0.9985]), CENT)


def test_a_currency_without_cents_is_rounded_to_ones():
    made = problem(budget=100, lines=[line(name, hill(1, 1)) for name in ("a", "b", "c")])
    assert round_spend(made, np.full(3, 100 / 3), 1.0).tolist() == [34.0, 33.0, 33.0]


def test_a_unit_too_small_to_be_counted_is_refused_with_one_that_is_not():
    made = problem(budget=100, lines=[line("a", hill(9, 40)), line("b", hill(5, 20))])
    with pytest.raises(ConfigError, match="give a unit of at least 2e-14"):
        round_spend(made, solve(made).spend, 1e-300)
