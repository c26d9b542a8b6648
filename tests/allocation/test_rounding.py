"""Whole minor units with every limit exactly kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.allocation.rounding import round_or_keep, round_spend
from pipeline.allocation.solve import is_allowed, solve
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


RAILED = [line("a", hill(100, 50)), line("b", hill(200, 80)), line("c", hill(30, 33))]


@pytest.mark.parametrize(
    ("unit", "rail"),
    [
        (0.01, {"metric": "spend", "lines": ["a"], "max": 12.3456}),
        (1, {"metric": "spend_share", "lines": ["a"], "max": 0.123456}),
        (10, {"metric": "outcome", "lines": ["a"], "max": 13.2}),
        (5, {"metric": "spend", "lines": ["a"], "max": 12.3456}),
        (1, {"metric": "return", "min": 1.3}),
    ],
)
def test_whole_amounts_keep_the_guardrail_that_the_nearest_would_break(unit, rail):
    made = problem(budget=100, lines=RAILED, guardrails=[rail])
    whole = round_spend(made, solve(made).spend, unit)
    assert not made.broken(whole)
    assert whole.sum() == pytest.approx(100)
    assert whole / unit == pytest.approx(np.round(whole / unit), abs=1e-9)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    curves=st.lists(concave_curves, min_size=3, max_size=3),
    budget=st.integers(1, 12),
    share=st.integers(1, 29).map(lambda thirtieth: thirtieth / 30),
    most=st.integers(1, 100).map(lambda eighth: eighth / 8),
    exactly=st.booleans(),
)
def test_a_plan_in_few_units_is_found_wherever_one_keeps_every_limit(
    curves, budget, share, most, exactly
):
    made = problem(
        budget=budget,
        spend="exactly" if exactly else "at_most",
        lines=[line(name, curve) for name, curve in zip("abc", curves, strict=True)],
        groups=[
            {"id": "ab", "lines": ["a", "b"], "max": most},
            {"id": "bc", "lines": ["b", "c"], "max": 0.8 * budget},
        ],
        guardrails=[{"metric": "spend_share", "lines": ["c"], "max": share}],
    )
    grid = np.array(
        [
            (a, b, c)
            for a in range(budget + 1)
            for b in range(budget + 1 - a)
            for c in ([budget - a - b] if exactly else range(budget + 1 - a - b))
        ],
        dtype=float,
    )
    legal = [plan for plan in grid if is_allowed(made, plan)]
    try:
        split = solve(made).spend
    except InfeasibleError:
        assert not legal
        return
    try:
        whole = round_spend(made, split, 1.0)
    except InfeasibleError:
        assert not legal
        return
    assert bool(legal) == is_allowed(made, whole)


def test_groups_that_cut_across_are_filled_to_the_last_unit():
    made = problem(
        budget=1000,
        spend="at_most",
        lines=[
            line("a", hill(1000, 1000)), line("b", hill(2000, 1000)), line("c", hill(2000, 2000)),
        ],
        groups=[
            {"id": "g", "lines": ["a", "b"], "max": 500},
            {"id": "h", "lines": ["b", "c"], "max": 800},
        ],
    )  # fmt: skip
    found = solve(made)
    assert found.binding == (("g max",), ("g max", "h max"), ("h max",))
    for unit in (1.0, 0.01):
        assert round_spend(made, found.spend, unit).tolist() == [200, 300, 500]


def test_no_amount_is_less_than_nothing():
    made = problem(budget=100, lines=RAILED)
    for unit in (0.01, 7.0):
        whole = round_spend(made, np.array([-0.0, 100.0, -0.0]), unit)
        assert not np.signbit(whole).any()


def test_what_only_rounding_parts_from_today_stays_to_the_cent_where_it_may():
    lines = [line(name, hill(10, 20)) for name in "abc"]
    today = np.array([10.01, 20.02, 69.97])
    near = today + np.array([0.016, -0.006, -0.010])  # a cent more if each were rounded alone
    free = problem(budget=100, lines=lines)
    assert _cents(round_or_keep(free, near, today, CENT)).tolist() == [1001, 2002, 6997]
    far = today + np.array([0.5, -0.2, -0.3])
    assert _cents(round_or_keep(free, far, today, CENT)).tolist() == [1051, 1982, 6967]
    capped = problem(budget=100, lines=[{**lines[0], "max": 10.0}, *lines[1:]])
    near = np.array([10.0, 20.02, 69.98])
    assert _cents(round_or_keep(capped, near, today, CENT)).tolist() == [1000, 2002, 6998]


def test_a_total_that_moved_is_no_rounding_and_today_does_not_stay():
    lines = [line(name, hill(10, 20)) for name in "abc"]
    today = np.array([10.01, 20.02, 69.97])
    less = problem(budget=100, spend="at_most", lines=lines)
    by_a_cent = today - np.array([0.01, 0.0, 0.0])
    assert _cents(round_or_keep(less, by_a_cent, today, CENT)).tolist() == [1000, 2002, 6997]
    by_a_hair = today - np.array([0.004, 0.0, 0.0])
    assert _cents(round_or_keep(less, by_a_hair, today, CENT)).tolist() == [1001, 2002, 6997]
