from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.caps import Cap, CapStatus
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.io.publish import Fixed, Limits, breaches

COLUMNS = ("channel", "audience")
LINES = (("search", "a"), ("search", "b"), ("social", "a"))


def plan(proposed, current=(100.0, 100.0, 100.0), **changes):
    lines = tuple(
        PlanLine(line=dict(zip(COLUMNS, line, strict=True)), current=now, proposed=new)
        for line, now, new in zip(LINES, current, proposed, strict=False)
    )
    settings_ = {
        "plan_id": "2026-11-22-00000000",
        "portfolio": "acme",
        "date": date(2026, 11, 22),
        "currency": "EUR",
        "line_columns": COLUMNS,
        "mode": Mode.OPTIMISED,
        "budget": 300.0,
        "lines": lines,
    }
    return Plan(**{**settings_, **changes})


def limits(*caps, **changes):
    settings_ = {
        "caps": caps,
        "held": (),
        "max_daily_change": 0.25,
        "total": 300.0,
        "exactly": True,
        "set_now": {},
    }
    return Limits(**{**settings_, **changes})


def cap(scope=None, **amounts):
    return Cap(id="cap-1", scope=scope or {}, status=CapStatus.APPROVED, proposed_by="x", **amounts)


SEARCH = {"channel": "search"}
RICH = {LINES[2]: 12000}
POOR = {LINES[2]: 8000}
GROUND = Fixed(scope=SEARCH, why="safe ground, contract")


def among(column, *values):
    return Fixed(scope={}, among=(column, frozenset(values)), why="holdout ruler runs")


@pytest.mark.parametrize(
    ("proposed", "rules"),
    [
        ((100.0, 100.0, 100.0), limits()),
        ((125.0, 75.0, 100.0), limits()),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, max=200.0, min=200.0))),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, fixed=200.0))),
        ((100.0, 110.0, 90.0), limits(held=({"channel": "search", "audience": "a"},))),
        ((40.0, 10.0, 250.0), limits(cap(SEARCH, max=50.0), set_now={LINES[2]: 20000})),
        ((50.0, 0.0, 250.0), limits(cap(SEARCH, max=50.0), set_now={LINES[2]: 20000})),
        ((180.0, 20.0, 100.0), limits(cap(SEARCH, fixed=200.0))),
        ((200.0, 0.0, 100.0), limits(cap(SEARCH, fixed=200.0))),
        ((0.0, 200.0, 100.0), limits(set_now={LINES[0]: 0, LINES[1]: 20000})),
        ((100.0, 100.0, 90.0), limits(fixed=(GROUND,), exactly=False)),
        ((110.0, 90.0, 100.0), limits(fixed=(among("audience", "c"), among("region", "a")))),
        ((110.0, 90.0, 100.0), limits(fixed=(among("line", "social / a"),))),
        ((180.0, 20.0, 100.0), limits(cap(SEARCH, fixed=200.0), fixed=(GROUND,))),
        ((80.0, 70.0, 150.0), limits(cap(SEARCH, max=150.0), fixed=(GROUND,), set_now=RICH)),
        ((120.0, 120.0, 60.0), limits(cap(SEARCH, min=240.0), fixed=(GROUND,), set_now=POOR)),
    ],
)
def test_a_plan_inside_its_limits_passes(proposed, rules):
    assert breaches(plan(proposed), rules) == ()


@pytest.mark.parametrize(
    ("proposed", "rules", "says"),
    [
        ((125.01, 75.0, 99.99), limits(), "25% a day"),
        ((100.0, 74.99, 125.01), limits(), "25% a day"),
        ((100.0, 100.0, 100.01), limits(), "add up to 300.01"),
        ((100.0, 100.0, 99.99), limits(), "no reason is given"),
        ((100.0, 100.0, 100.0), limits(total=299.99), "the budget is 299.99"),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, max=199.99)), "above the cap 199.99"),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, min=200.01)), "below the floor 200.01"),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, fixed=200.01)), "below the floor"),
        ((100.0, 100.0, 100.0), limits(cap(max=299.99)), "all: 300 is above"),
        ((101.0, 99.0, 100.0), limits(held=(SEARCH,)), "held until finance"),
        ((100.01, 100.0, 99.99), limits(fixed=(GROUND,)), "it stays: safe ground, contract"),
        ((100.0, 99.99, 100.01), limits(fixed=(GROUND,)), "it stays: safe ground, contract"),
        ((100.0, 99.99, 100.01), limits(fixed=(among("audience", "b"),)), "holdout ruler runs"),
        ((100.0, 99.99, 100.01), limits(fixed=(among("line", "search / b"),)), "holdout ruler"),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, max=900.0), fixed=(GROUND,)), "it stays"),
        ((110.0, 90.0, 100.0), limits(cap(SEARCH, min=9.0), fixed=(GROUND,)), "it stays"),
        (
            (126.0, 114.0, 60.0),
            limits(cap(SEARCH, min=240.0), fixed=(GROUND,), set_now=POOR),
            "126 from 100",
        ),
        ((70.0, 125.0, 105.0), limits(cap(SEARCH, max=200.0)), "70 from 100"),
        ((float("nan"), 100.0, 100.0), limits(), "no amount of money"),
        ((float("inf"), 100.0, 100.0), limits(), "no amount of money"),
        ((-1.0, 100.0, 100.0), limits(), "no amount of money"),
        ((100.001, 99.999, 100.0), limits(), "no amount of money"),
        ((100.0, 100.0), limits(set_now={LINES[2]: 1}), "is not in this one"),
        ((125.0, 75.0, 100.0), limits(set_now={LINES[0]: 9999}), "125 from 99.99"),
    ],
)
def test_one_cent_beyond_a_limit_is_a_breach(proposed, rules, says):
    assert any(says in problem for problem in breaches(plan(proposed), rules))


def test_a_line_given_twice_is_a_breach():
    twice = plan((100.0, 100.0, 100.0))
    twice = twice.model_copy(update={"lines": (*twice.lines, twice.lines[0])})
    assert any("given twice" in problem for problem in breaches(twice, limits()))


def test_a_budget_that_is_no_amount_is_a_breach():
    odd = plan((100.0, 100.0, 100.0), budget=float("nan"))
    assert any("no amount" in problem for problem in breaches(odd, limits()))


def test_budgets_above_the_total_may_come_down_step_by_step_if_that_is_said():
    rules = limits(total=200.0)
    falling = (90.0, 90.0, 90.0)
    assert breaches(plan(falling, budget=270.0), rules)
    assert breaches(plan(falling, budget=270.0, reasons=("the ramp",)), rules) == ()
    rising = (100.0, 100.0, 100.01)
    assert breaches(plan(rising, budget=300.01, reasons=("the ramp",)), rules)


def test_before_anything_was_published_the_plan_is_believed_up_to_twice_the_total():
    first = (100.0, 100.0, 100.0)
    reasons = ("the ramp",)
    assert breaches(plan(first, budget=300.0, reasons=reasons), limits(total=150.0)) == ()
    assert breaches(plan(first, budget=300.0, reasons=reasons), limits(total=149.99))
    known = limits(total=149.99, set_now=dict.fromkeys(LINES, 10000))
    assert breaches(plan(first, budget=300.0, reasons=reasons), known) == ()


def test_a_floor_may_be_reached_over_some_nights_if_that_is_said():
    rules = limits(cap(SEARCH, min=500.0))
    assert breaches(plan((110.0, 90.0, 100.0)), rules)
    said = {"reasons": ("over several nights",)}
    assert breaches(plan((125.0, 100.0, 75.0), **said), rules) == ()
    assert breaches(plan((110.0, 100.0, 90.0), **said), rules), "there is more to take"
    assert breaches(plan((100.0, 100.0, 100.0), **said), rules) == (), "it leaves all alone"
    fixed = limits(cap(SEARCH, fixed=500.0))
    assert breaches(plan((110.0, 90.0, 100.0), reasons=("some",)), fixed)


def test_a_cap_on_lines_that_are_not_there_binds_nothing():
    assert breaches(plan((100.0, 100.0, 100.0)), limits(cap({"channel": "tv"}, fixed=9.0))) == ()


def test_without_a_total_only_the_plans_own_budget_counts():
    assert breaches(plan((100.0, 100.0, 100.0)), limits(total=None)) == ()
    assert breaches(plan((90.0, 100.0, 100.0)), limits(exactly=False)) == ()


cents = st.integers(min_value=0, max_value=200_000)


@settings(max_examples=300, deadline=None)
@given(
    current=st.tuples(cents, cents, cents),
    proposed=st.tuples(cents, cents, cents),
    share=st.sampled_from([0.05, 0.1, 0.25, 0.333, 1.0]),
    most=cents,
)
def test_what_passes_never_exceeds_a_limit_by_a_cent(current, proposed, share, most):
    """An obvious second reading of the rules, in whole cents."""
    candidate = plan(
        [amount / 100 for amount in proposed],
        [amount / 100 for amount in current],
        budget=sum(proposed) / 100,
    )
    rules = limits(cap(SEARCH, max=most / 100), max_daily_change=share, total=None)
    if breaches(candidate, rules):
        return
    assert sum(proposed[:2]) <= most
    exact = Decimal(str(share))
    forced = sum(current[:2]) > most
    for index, (now, new) in enumerate(zip(current, proposed, strict=True)):
        assert new <= now * (1 + exact)
        assert new >= now * (1 - exact) or (forced and index < 2)


def test_no_hostile_plan_passes():
    """Whatever a broken or hostile solver returns: what passes is inside cap, step and total."""
    rng = random.Random(3)
    rules = limits(cap(SEARCH, max=205.0), set_now=dict.fromkeys(LINES, 10000))
    odd = [float("nan"), float("inf"), -1.0, 0.0, 1e18, 125.01, 99.999, 1e-9, 125.0, 80.0, 100.0]
    for _ in range(3000):
        amounts = [rng.choice([*odd, round(rng.uniform(50, 150), 2)]) for _ in LINES]
        hostile = plan(
            amounts,
            current=[rng.choice([1.0, 100.0, 1e9]) for _ in LINES],
            budget=rng.choice([300.0, 1e9, sum(amounts)]),
            mode=rng.choice(list(Mode)),
            reasons=rng.choice([(), ("trust me",)]),
        )
        if not breaches(hostile, rules):
            assert sum(round(amount * 100) for amount in amounts) <= 30000
            assert round(amounts[0] * 100) + round(amounts[1] * 100) <= 20500
            assert all(7500 <= round(amount * 100) <= 12500 for amount in amounts)


SEARCH_A, OTHER_B = {"channel": "search", "audience": "a"}, {"audience": "b"}
SAID = ("some reason",)


def test_a_floor_has_no_excuse_where_its_line_could_take_more():
    """A reason of another kind excused every floor; 100 under a cap with 100 that others have."""
    rules = limits(cap(SEARCH, max=100.0), cap(SEARCH_A, min=95.0), total=None)
    poor = plan((50.0, 50.0, 100.0), budget=200.0, reasons=SAID)
    assert any("below the floor 95" in problem for problem in breaches(poor, rules))
    assert breaches(plan((95.0, 5.0, 100.0), budget=200.0, reasons=SAID), rules) == ()


@pytest.mark.parametrize(
    ("caps", "proposed", "changes"),
    [
        ((cap(SEARCH_A, min=500.0),), (125.0, 75.0, 100.0), {}),  # the ramp ends there
        ((cap(SEARCH_A, min=500.0), cap(SEARCH, max=200.0)), (125.0, 75.0, 100.0), {}),
        (
            (cap(SEARCH_A, min=120.0), cap(SEARCH, max=200.0)),  # what has the rest is held
            (100.0, 100.0, 99.0),
            {"fixed": (among("line", "search / b"),)},
        ),
        (
            (cap(SEARCH_A, min=120.0), cap(OTHER_B, min=90.0), cap(SEARCH, max=200.0)),
            (110.0, 90.0, 99.0),  # what has the rest has a floor
            {},
        ),
    ],
)
def test_a_floor_is_excused_where_its_line_can_take_no_more(caps, proposed, changes):
    rules = limits(*caps, total=None, **changes)
    assert breaches(plan(proposed, budget=sum(proposed), reasons=SAID), rules) == ()
    looser = limits(*[item for item in caps if item.min == 120.0], total=None, **changes)
    if looser.caps:
        assert breaches(plan(proposed, budget=sum(proposed), reasons=SAID), looser)
