"""The second pair of eyes finds every broken rule, and only those."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipeline.allocation.verify import RatioCheck, Rules, verify_plan
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Level, worst_level
from pipeline.core.plan import Mode, Plan, PlanLine
from pipeline.io.publish import Fixed, Limits, breaches

A, B, C = ("search", "x"), ("search", "y"), ("tv", "x")
CURRENT = {A: 100.0, B: 50.0, C: 50.0}


def _cap(scope: dict[str, str], **amounts: float) -> Cap:
    return Cap(id="c", scope=scope, status=CapStatus.APPROVED, proposed_by="p", **amounts)


RULES = Rules(
    columns=("channel", "audience"),
    currency="EUR",
    total=200.0,
    exactly=True,
    caps=(_cap({"channel": "search"}, max=160.0),),
    current=CURRENT,
    max_change=0.25,
)
GOOD = {A: 110.0, B: 45.0, C: 45.0}


def test_a_plan_that_obeys_passes_with_one_finding():
    found = verify_plan(GOOD, RULES)
    assert [item.level for item in found] == [Level.PASS]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({A: 110.01}, "total"),
        ({A: 109.99}, "total"),
        ({A: 125.0, C: 30.0}, "cap"),
        ({A: 130.0, B: 37.5, C: 32.5}, "ramp"),
        ({A: 110.005, B: 44.995}, "amount"),
        ({A: -1.0, B: 156.0}, "amount"),
        ({A: float("nan")}, "amount"),
    ],
)
def test_each_broken_rule_is_named(change, check):
    if any(value != value for value in change.values()):  # NaN cannot be summed
        rules = replace(RULES, total=None, caps=())
    else:
        rules = RULES
    found = verify_plan({**GOOD, **change}, rules)
    assert check in {item.check for item in found}
    assert worst_level(found) is Level.FAIL


def test_a_missing_and_an_unknown_line_are_named():
    found = verify_plan({A: 155.0, ("radio", "x"): 45.0}, replace(RULES, caps=()))
    assert sum(item.check == "lines" for item in found) == 3


def test_a_held_line_may_not_move_and_a_fixed_one_has_its_amount():
    held = verify_plan(GOOD, replace(RULES, held={C}))
    assert [item.line for item in held] == [C]
    fixed = replace(RULES, caps=(_cap({"channel": "tv"}, fixed=45.0),))
    assert verify_plan(GOOD, fixed)[0].level is Level.PASS
    assert verify_plan({**GOOD, A: 105.0, C: 50.0}, fixed)[0].check == "cap"


def test_a_cap_below_todays_spend_may_take_a_line_beyond_its_ramp():
    rules = replace(RULES, caps=(_cap({"channel": "search"}, max=80.0),), total=130.0)
    assert verify_plan({A: 50.0, B: 30.0, C: 50.0}, rules)[0].level is Level.PASS


def test_a_floor_that_the_ramp_cannot_reach_tonight_is_for_review():
    rules = replace(RULES, caps=(_cap({"channel": "tv"}, min=100.0),), total=200.0)
    found = verify_plan({A: 95.0, B: 42.5, C: 62.5}, rules)
    assert [(item.check, item.level) for item in found] == [("cap", Level.REVIEW)]
    also = replace(rules, caps=(*rules.caps, _cap({"channel": "radio"}, max=0.0)))
    assert verify_plan({A: 95.0, B: 42.5, C: 62.5}, also) == found  # a cap on no line says nothing
    lazy = verify_plan({A: 100.0, B: 50.0, C: 50.0}, rules)
    assert worst_level(lazy) is Level.FAIL


def test_a_guardrail_is_computed_again_from_the_posterior():
    lines = (A, B, C)
    spend = np.tile([0.0, 100.0, 200.0], (3, 1))
    value = np.tile([0.0, 2.0, 3.0], (2, 3, 1))
    table = ResponseTable(
        metric="orders", lines=lines, spend=spend, value=value, organic=np.full((2, 3), 1.0)
    )
    check = RatioCheck(name="cost per order", lines=lines, over=None, per=table, max=30.0)
    assert verify_plan(GOOD, replace(RULES, checks=[check]))[0].level is Level.PASS
    broken = verify_plan(GOOD, replace(RULES, checks=[replace(check, max=25.0)]))
    assert [item.check for item in broken] == ["guardrail"]


def test_a_cap_on_no_line_says_nothing_and_a_cost_of_nothing_is_too_high():
    nothing = _cap({"channel": "radio"}, max=1.0)
    assert checks(GOOD, caps=(nothing,)) == []
    lines = (A, B, C)
    spend, value = np.tile([0.0, 200.0], (3, 1)), np.zeros((2, 3, 2))
    table = ResponseTable(
        metric="orders", lines=lines, spend=spend, value=value, organic=np.zeros((2, 3))
    )
    check = RatioCheck(name="cost per order", lines=lines, over=None, per=table, max=1.0)
    (found,) = verify_plan(GOOD, replace(RULES, checks=[check]))
    assert found.message == "cost per order: 200 for 0 expected, the limit is 1"
    unspent = replace(RULES, total=0.0, current=dict.fromkeys(lines, 0.0), caps=(), checks=[check])
    assert verify_plan(dict.fromkeys(lines, 0.0), unspent)[0].level is Level.PASS


def test_a_ratio_counts_its_own_lines_and_forgives_what_rounding_does():
    spend = np.tile([0.0, 100.0, 200.0], (3, 1))
    value = np.tile([0.0, 2.0, 4.0], (2, 3, 1))
    table = ResponseTable(
        metric="orders", lines=(A, B, C), spend=spend, value=value, organic=np.zeros((2, 3))
    )
    check = RatioCheck(name="cost per order", lines=(A,), over=None, per=table, max=50.0)
    assert verify_plan(GOOD, replace(RULES, checks=[check]))[0].level is Level.PASS
    near = replace(check, max=50.0 * (1 - 1e-9))
    assert verify_plan(GOOD, replace(RULES, checks=[near]))[0].level is Level.PASS
    far = replace(check, max=49.0)
    assert [item.check for item in verify_plan(GOOD, replace(RULES, checks=[far]))] == ["guardrail"]


def test_a_floor_over_a_held_line_is_as_near_as_can_be_when_the_others_are():
    floor, today = _cap({"channel": "search"}, min=180.0), {**CURRENT, B: 40.0}
    rules = replace(RULES, caps=(floor,), held={B}, total=None, current=today)
    for held, level in ((50.0, Level.REVIEW), (40.0, Level.FAIL)):
        found = verify_plan({A: 125.0, B: held, C: 50.0}, rules)
        assert [(item.check, item.level) for item in found] == [("cap", level)]


def test_a_floor_that_money_of_the_same_cap_could_meet_has_no_excuse():
    caps = (
        _cap({"channel": "search"}, max=60.0),
        _cap({"channel": "search", "audience": "x"}, min=55.0),
    )
    rules = replace(RULES, caps=caps, total=None)
    found = verify_plan({A: 30.0, B: 30.0, C: 50.0}, rules)
    assert [(item.check, item.level) for item in found] == [("cap", Level.FAIL)]
    assert verify_plan({A: 55.0, B: 5.0, C: 50.0}, rules)[0].level is Level.PASS


def test_a_contract_that_fills_a_cap_may_take_the_other_lines_beyond_their_ramp():
    caps = (_cap({}, max=200.0), _cap({"channel": "tv"}, fixed=150.0))
    rules = replace(RULES, caps=caps, total=None)
    assert verify_plan({A: 30.0, B: 20.0, C: 150.0}, rules)[0].level is Level.PASS


def checks(budgets: dict[tuple[str, ...], float], **rules: object) -> list[str]:
    """Return the names of the rules that a plan breaks, where only one kind of rule counts."""
    free: dict[str, object] = {"total": None, "exactly": False, "caps": (), "max_change": 9.0}
    found = verify_plan(budgets, replace(RULES, **{**free, **rules}))
    return [item.check for item in found if item.level is not Level.PASS]


def test_what_is_found_says_where_and_what_to_do():
    (missing,) = verify_plan({A: 100.0, B: 50.0}, replace(RULES, caps=(), total=None))
    assert missing.message == "tv / x is missing in the plan"
    assert missing.advice == "do not sign; report this plan"
    unknown = verify_plan({**GOOD, ("radio", "x"): 0.0}, RULES)
    assert unknown[0].message == "radio / x has no current budget"
    assert checks({**GOOD, ("radio", "x"): 0.0}) == ["lines"]


def test_nothing_and_a_cent_are_amounts():
    assert checks({A: 0.0, B: 0.01, C: 0.5}, max_change=1.0) == []
    assert checks({A: 0.0, B: 0.01, C: -0.01}, max_change=2.0) == ["amount"]
    assert checks({A: 100.001, B: 50.0, C: 50.0}) == ["amount"]


@pytest.mark.parametrize(
    ("limits", "search", "broken"),
    [
        ({"max": 150.0}, 150.0, False),
        ({"max": 150.0}, 150.01, True),
        ({"max": 150.0}, 0.0, False),
        ({"min": 150.0}, 150.0, False),
        ({"min": 150.0}, 149.99, True),
        ({"fixed": 150.0}, 150.0, False),
        ({"fixed": 150.0}, 149.99, True),
        ({"fixed": 150.0}, 150.01, True),
        ({"max": 0.0}, 0.0, False),
        ({"max": 0.0}, 0.01, True),
    ],
)
def test_a_cap_binds_to_the_cent(limits, search, broken):
    budgets = {A: search, B: 0.0, C: 50.0}
    cap = _cap({"channel": "search"}, **limits)
    assert checks(budgets, caps=(cap,)) == (["cap"] if broken else [])


def test_a_floor_on_no_line_asks_for_nothing():
    assert checks(GOOD, caps=(_cap({"channel": "radio"}, min=1.0),)) == []


@pytest.mark.parametrize(
    ("amount", "broken"),
    [(125.0, False), (125.01, False), (125.02, True), (75.0, False), (74.99, False), (74.98, True)],
)
def test_a_line_moves_by_its_share_and_a_cent_of_rounding(amount, broken):
    found = checks({A: amount, B: 50.0, C: 50.0}, max_change=0.25)
    assert found == (["ramp"] if broken else [])


@pytest.mark.parametrize(("amount", "broken"), [(100.0, False), (100.01, False), (100.02, True)])
def test_a_held_line_moves_by_no_more_than_rounding(amount, broken):
    assert checks({A: amount, B: 50.0, C: 50.0}, held={A}) == (["ramp"] if broken else [])


def test_a_ramp_says_which_rule_it_is():
    words = {}
    for held in ((), {A}):
        rules = replace(RULES, caps=(), total=None, held=held)
        (found,) = verify_plan({A: 130.0, B: 50.0, C: 50.0}, rules)
        words[bool(held)] = found.message
    assert words[True].endswith("but held")
    assert words[False].endswith("a change of at most 25%")


@pytest.mark.parametrize(
    ("amount", "level"), [(62.5, Level.REVIEW), (62.48, Level.REVIEW), (62.47, Level.FAIL)]
)
def test_a_floor_is_for_review_only_where_the_ramp_is_used_up_to_two_cents(amount, level):
    rules = replace(RULES, caps=(_cap({"channel": "tv"}, min=100.0),), total=None)
    (found,) = verify_plan({A: 100.0, B: 50.0, C: amount}, rules)
    assert (found.check, found.level) == ("cap", level)
    assert found.message.endswith("the ramp allows no more tonight") is (level is Level.REVIEW)
    assert bool(found.advice) is (level is Level.FAIL)


def test_only_a_cap_that_today_breaks_takes_a_line_beyond_its_ramp():
    far = {A: 60.0, B: 50.0, C: 50.0}
    kept = _cap({"channel": "search"}, max=150.0)  # today's spend, to the cent
    broken = _cap({"channel": "search"}, max=149.99)
    elsewhere = _cap({"channel": "tv"}, max=1.0)
    assert checks(far, max_change=0.25, caps=(kept,)) == ["ramp"]
    assert checks(far, max_change=0.25, caps=(kept, broken)) == []
    assert checks({**far, C: 1.0}, max_change=0.25, caps=(elsewhere, broken)) == []
    assert checks({**far, C: 1.0}, max_change=0.25, caps=(elsewhere,)) == ["ramp"]


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        ({"max": 2.0}, False), ({"max": 1.98}, True), ({"max": 1.995}, False),
        ({"max": 2.01}, False),
        ({"min": 2.0}, False), ({"min": 2.02}, True), ({"min": 2.005}, False),
        ({"min": 1.99}, False),
        ({"min": 1.0, "max": 3.0}, False), ({"min": 2.5, "max": 3.0}, True),
        ({"min": 1.0, "max": 1.5}, True),
    ],
)  # fmt: skip
def test_a_guardrail_binds_from_both_sides(limits, broken):
    """Two orders for each unit of money: 2 x 100 / 100."""
    spend, value = np.tile([0.0, 200.0], (1, 1)), np.tile([0.0, 400.0], (2, 1, 1))
    table = ResponseTable(
        metric="orders", lines=(A,), spend=spend, value=value, organic=np.zeros((2, 1))
    )
    check = RatioCheck(name="yield", lines=(A,), over=table, per=None, **limits)
    budgets = {A: 100.0, B: 50.0, C: 50.0}
    assert checks(budgets, checks=[check]) == (["guardrail"] if broken else [])
    small = {A: 0.5, B: 50.0, C: 50.0}  # a ratio to less than one is a ratio too
    assert checks(small, checks=[check]) == (["guardrail"] if broken else [])
    if broken:
        (found,) = verify_plan(budgets, replace(RULES, caps=(), total=None, checks=[check]))
        limit = limits["min"] if limits.get("min", 0.0) > 2.0 else limits["max"]
        assert found.message == f"yield: 2 expected, the limit is {limit:g}"


def test_a_limit_on_an_outcome_itself_is_no_ratio():
    spend, value = np.tile([0.0, 200.0], (1, 1)), np.tile([0.0, 400.0], (2, 1, 1))
    table = ResponseTable(
        metric="orders", lines=(A,), spend=spend, value=value, organic=np.full((2, 1), 5.0)
    )
    check = RatioCheck(name="orders", lines=(A,), over=table, has_per=False, min=205.0)
    assert checks({A: 100.0, B: 50.0, C: 50.0}, checks=[check]) == []
    more = replace(check, min=207.0)
    assert checks({A: 100.0, B: 50.0, C: 50.0}, checks=[more]) == ["guardrail"]


@pytest.mark.parametrize(
    ("limit", "amount", "broken"),
    [
        (_cap({"channel": "tv"}, max=60.0), 45.0, True),  # a cap with room moves nothing
        (_cap({"channel": "tv"}, min=40.0), 55.0, True),
        (_cap({"channel": "tv"}, max=40.0), 40.0, False),  # cut to it
        (_cap({"channel": "tv"}, max=40.0), 55.0, True),  # but never lifted by it
        (_cap({"channel": "tv"}, min=80.0), 62.5, False),  # lifted as fast as the ramp allows
        (_cap({"channel": "tv"}, min=80.0), 63.0, True),
        (_cap({"channel": "tv"}, min=80.0), 45.0, True),  # but never cut by it
        (_cap({"channel": "tv"}, fixed=90.0), 90.0, False),
    ],
)
def test_a_held_line_moves_only_as_a_cap_forces_it(limit, amount, broken):
    rules = replace(RULES, caps=(limit,), total=None, held={C})
    found = [item for item in verify_plan({**CURRENT, C: amount}, rules) if item.check == "ramp"]
    assert bool(found) == broken
    if broken:
        return
    lines = tuple(
        PlanLine(
            line=dict(zip(rules.columns, line, strict=True)),
            current=CURRENT[line],
            proposed=amount if line == C else CURRENT[line],
        )
        for line in CURRENT
    )
    plan = Plan(
        plan_id="2026-11-22-00000000",
        portfolio="acme",
        date=date(2026, 11, 22),
        currency="EUR",
        line_columns=rules.columns,
        mode=Mode.OPTIMISED,
        budget=sum(line.proposed for line in lines),
        lines=lines,
        reasons=("said",),
    )
    ground = Fixed(scope={"channel": "tv"}, why="safe ground, contract")
    limits = Limits(
        caps=rules.caps,
        held=(),
        max_daily_change=rules.max_change,
        total=None,
        exactly=True,
        set_now={},
        fixed=(ground,),
    )
    assert breaches(plan, limits) == ()  # what passes here is never refused at the publisher's door
