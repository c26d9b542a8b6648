"""Whether a plan is small enough to sign itself: exact arithmetic on whole minor units."""

from __future__ import annotations

from fractions import Fraction

from pipeline.core.approval import AutoWithin
from pipeline.core.findings import Level
from pipeline.core.money import to_minor
from pipeline.core.plan import Mode
from pipeline.io.ledger.records import PlanRecord


def reasons_against(record: PlanRecord, limits: AutoWithin, daily: float | None) -> tuple[str, ...]:
    """Return why a person has to sign the plan; empty when the policy may.

    Args:
        daily: the money that the policy gives a day; None where a month's is paced.
    """
    plan = record.plan
    reasons = []
    if plan.mode is not Mode.OPTIMISED:
        reasons.append(f"mode is {plan.mode.value}")
    if any(finding.level is Level.FAIL for finding in plan.findings):
        reasons.append("a finding is a failure")
    if plan.model_health is not None and plan.model_health.level == Level.FAIL:
        reasons.append("the model's health is a failure")
    reasons += [
        f"guardrail {rail.metric} is {rail.status}"
        for rail in plan.guardrails
        if rail.status == Level.FAIL
    ]
    if plan.uplift is not None and plan.uplift.mean < 0:
        reasons.append("it is expected to earn less than leaving budgets alone")
    total = sum(item.proposed for item in record.money)
    if daily is not None and total > to_minor(daily, plan.currency):
        reasons.append("it adds up to more than the day's budget")
    line_share, moved_share = _shares(record)
    if line_share is None or line_share > _exact(limits.line_change):
        reasons.append(f"a line changes by more than {limits.line_change:g} of its budget")
    if moved_share > _exact(limits.moved):
        reasons.append(f"more than {limits.moved:g} of the budget moves")
    return tuple(reasons)


def _shares(record: PlanRecord) -> tuple[Fraction | None, Fraction]:
    """Return the largest change of a line, None if one starts from nothing, and the share moved."""
    largest: Fraction | None = Fraction(0)
    up = down = 0
    for item in record.money:
        change = item.proposed - item.current
        up, down = up + max(change, 0), down + max(-change, 0)
        if change and not item.current:
            largest = None
        elif change and largest is not None:
            largest = max(largest, Fraction(abs(change), item.current))
    total = sum(item.current for item in record.money)
    moved = max(up, down)
    return largest, Fraction(moved, total) if total else Fraction(int(moved > 0))


def _exact(share: float) -> Fraction:
    return Fraction(repr(share))
