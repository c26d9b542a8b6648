"""A plan's content, its hash, and its way to JSON and back."""

from __future__ import annotations

import json
from datetime import date

import pytest
from pydantic import ValidationError

from pipeline.core.findings import Finding, Level, worst_level
from pipeline.core.plan import Certificate, Expected, Interval, Mode, Plan, PlanLine, Status

PLAN = Plan(
    plan_id="2026-11-22-00000000",
    portfolio="acme",
    date=date(2026, 11, 22),
    currency="EUR",
    line_columns=("zone", "area"),
    mode=Mode.OPTIMISED,
    reasons=("one",),
    budget=300.0,
    expected=Expected(metric="revenue", mean=1.5, p05=1, p95=2),
    lines=(
        PlanLine(
            line={"area": "x", "zone": "n"},
            current=100.0,
            proposed=110.1,
            marginal_return=Interval(mean=1, p05=0, p95=2),
        ),
        PlanLine(line={"area": "y", "zone": "n"}, current=200.0, proposed=189.9),
    ),
    findings=(Finding(level=Level.REVIEW, check="c", message="m", row=3, line=("n", "x")),),
    certificate=Certificate(objective=1.0, upper_bound=1.0, gap=0.0),
)


def test_a_plan_comes_back_from_its_json_with_the_same_hash():
    for stored in (PLAN.to_json(), json.loads(json.dumps(PLAN.to_json())), PLAN.content()):
        again = Plan.from_json(stored)
        assert again == PLAN
        assert again.content_hash == PLAN.content_hash
    assert Plan.from_json(json.loads(PLAN.to_bytes())) == PLAN


def test_the_hash_covers_the_content_and_not_the_status():
    assert PLAN.with_status(Status.APPROVED).content_hash == PLAN.content_hash
    moved = PLAN.model_copy(update={"budget": 300.01})
    assert moved.content_hash != PLAN.content_hash


def test_budgets_are_named_by_the_lines_own_order():
    assert PLAN.budgets == {("n", "x"): 110.1, ("n", "y"): 189.9}
    assert list(PLAN.to_json()["lines"][0]["line"]) == ["zone", "area"]


def test_a_line_of_other_columns_is_refused():
    line = PlanLine(line={"zone": "n"}, current=1, proposed=1)
    with pytest.raises(ValidationError, match="a line names"):
        Plan.model_validate({**PLAN.model_dump(), "lines": (line,)})


def test_modes_and_statuses_are_their_words():
    assert PLAN.mode == "optimised"
    assert PLAN.status == "proposed"
    assert {mode.value for mode in Mode} == {"optimised", "fallback", "hold"}


def test_the_heaviest_finding_counts():
    assert worst_level([]) is Level.PASS
    levels = [Level.REVIEW, Level.FAIL, Level.PASS]
    found = [Finding(level=level, check="c", message="m") for level in levels]
    assert worst_level(found) is Level.FAIL


def test_parts_with_nothing_to_say_leave_a_stored_plan_s_bytes_alone():
    plan = Plan.model_validate(
        {
            "plan_id": "p",
            "portfolio": "acme",
            "date": "2026-11-22",
            "currency": "EUR",
            "line_columns": ("channel",),
            "mode": "hold",
            "budget": 0.0,
            "lines": (),
        }
    )
    assert "kpi" not in plan.content()
    assert Plan.from_json(plan.to_json()).content_hash == plan.content_hash
