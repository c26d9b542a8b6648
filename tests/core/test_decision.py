"""A decision in shares or touches: whole units, its own bytes back, and lines that fit."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.core.decision import DecisionLine, DecisionPlan, read_document, whole_units
from pipeline.core.plan import Kind, Mode, Plan, PlanLine


def decision(**changes: Any) -> DecisionPlan:
    """Return a rotation of two creatives in one audience."""
    settings: dict[str, Any] = {
        "plan_id": "rotation-2026-11-22-00000000",
        "portfolio": "acme",
        "date": date(2026, 11, 22),
        "kind": Kind.ROTATION,
        "currency": "EUR",
        "unit": "share",
        "digits": 4,
        "line_columns": ("audience", "creative"),
        "group_columns": 1,
        "mode": Mode.OPTIMISED,
        "lines": (
            DecisionLine(line={"audience": "a", "creative": "x"}, current=0.5, proposed=0.625),
            DecisionLine(line={"audience": "a", "creative": "y"}, current=0.5, proposed=0.375),
        ),
        "rules_version": "sha256:rules",
    }
    return DecisionPlan(**{**settings, **changes})


def test_a_decision_comes_back_from_its_bytes_with_the_same_hash():
    plan = decision()
    again = read_document(json.loads(plan.to_bytes()))
    assert again == plan
    assert again.content_hash == plan.content_hash
    assert plan.amounts() == ((("a", "x"), 5000, 6250), (("a", "y"), 5000, 3750))


def test_content_without_a_kind_is_a_plan_of_budgets():
    plan = Plan(
        plan_id="p",
        portfolio="acme",
        date=date(2026, 11, 22),
        currency="JPY",
        line_columns=("channel",),
        mode=Mode.HOLD,
        budget=5.0,
        lines=(PlanLine(line={"channel": "tv"}, current=5.0, proposed=5.0),),
    )
    assert "kind" not in plan.content()
    again = read_document({**plan.content(), "kind": "budget"})
    assert (again, again.kind, again.amounts()) == (plan, Kind.BUDGET, ((("tv",), 5, 5),))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": Kind.BUDGET},
        {"lines": (DecisionLine(line={"creative": "x"}, current=0.0, proposed=1.0),)},
        {"digits": 9},
        {"colour": "red"},
    ],
)
def test_what_is_no_decision_is_refused(changes):
    with pytest.raises(ValidationError):
        decision(**changes)


def test_an_amount_is_never_negative():
    with pytest.raises(ValidationError):
        DecisionLine(line={"a": "b"}, current=0.0, proposed=-0.1)


@given(units=st.integers(0, 10**9), digits=st.integers(0, 6))
def test_whole_units_survive_being_shown_as_an_amount(units, digits):
    assert whole_units(units / 10**digits, digits) == units
