from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pipeline.cadence.verify import cadence_breaches
from pipeline.core.cadence_rules import CadenceRules
from pipeline.core.decision import DecisionLine, DecisionPlan
from pipeline.core.plan import Kind, Mode

TERMS = {"send_from": "08:00", "send_until": "21:00", "timezone": "UTC", "never_on": "sunday"}
RULES: dict[str, Any] = {
    "segment": ("stage",),
    "capacity": 250.0,
    "quiet": {"days": ("sunday",)},
    "limits": ({"scope": {"stage": "new"}, "min": 1.0, "max": 2.5},),
}


def plan(**changes: Any) -> DecisionPlan:
    line: dict[str, Any] = {
        "line": {"stage": "new"},
        "current": 1.5,
        "proposed": 2.0,
        "figures": {"people": 100.0, "must_send": 10.0},
        "parts": {"0": 0.05, "1": 0.1, "2": 0.65, "3": 0.2},
    }
    terms = changes.pop("terms", TERMS)
    return DecisionPlan(
        plan_id="cadence-1",
        portfolio="acme",
        date=date(2026, 11, 22),
        kind=Kind.CADENCE,
        currency="EUR",
        unit="touches a week",
        digits=2,
        line_columns=("stage",),
        mode=Mode.OPTIMISED,
        lines=(DecisionLine(**{**line, **changes}),),
        rules_version="sha256:0",
        terms=terms,
    )


def test_a_plan_inside_its_rules_may_be_signed() -> None:
    assert cadence_breaches(plan(), CadenceRules.model_validate(RULES)) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"proposed": 2.6, "current": 2.4}, "at most 2.5"),
        ({"proposed": 0.5, "parts": {"0": 0.5, "1": 0.5}}, "at least 1"),
        ({"current": 0.5, "proposed": 2.4}, "raised by 1.9"),
        ({"figures": {"people": 100.0, "must_send": 150.0}}, "at most 3 are allowed"),
        ({"figures": {"people": 200.0, "must_send": 10.0}}, "the capacity is 250"),
        ({"parts": {"0": 0.5, "2": 0.4}}, "do not add up to 1"),
        ({"parts": {"3": 1.0}}, "more than signed"),
        ({"parts": {"0": 0.6, "5": 0.4}}, "more than 3 touches"),
        ({"parts": {}}, "who is drawn"),
        ({"terms": {**TERMS, "send_until": "23:00"}}, "send_until"),
        ({"terms": {**TERMS, "never_on": ""}}, "never_on"),
    ],
)
def test_every_rule_that_a_plan_breaks_is_named(changes: dict[str, Any], said: str) -> None:
    found = cadence_breaches(plan(**changes), CadenceRules.model_validate(RULES))
    assert any(said in problem for problem in found), found


def test_the_guardrail_may_go_below_a_least_number() -> None:
    lowered = plan(proposed=0.0, parts={"0": 1.0}, binding=("guardrail",))
    assert cadence_breaches(lowered, CadenceRules.model_validate(RULES)) == ()
