"""The second pair of eyes finds every broken rule, and only those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.allocation.verify import RatioCheck, Rules, verify_plan
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.curves import ResponseTable
from pipeline.core.findings import Level, worst_level

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
