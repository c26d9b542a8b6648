"""The publisher's hard limits, read from policy and ledger as they are at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pipeline.core.errors import NotAllowedError
from pipeline.core.policy import Policy
from pipeline.core.types import Line
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import Actor, ExperimentRecord, PlanRecord
    from pipeline.io.publish import Fixed


def plan_breaches(portfolio: Portfolio, record: PlanRecord) -> tuple[str, ...]:
    """Return every way in which a plan exceeds the hard limits or rules as they are now."""
    from pipeline.runs.course import course_of

    return course_of(record.kind).breaches(portfolio, record)


def budget_breaches(portfolio: Portfolio, record: PlanRecord) -> tuple[str, ...]:
    """Return every way in which a plan of budgets exceeds the hard limits as they are now."""
    from pipeline.io.publish import Limits, breaches

    ledger, policy, plan = portfolio.ledger, portfolio.policy, record.plan
    last = ledger.last_published(policy.portfolio, plan.date)
    set_now: dict[Line, int] = {}
    if last is not None and last.plan.line_columns == plan.line_columns:
        set_now = {item.line: item.proposed for item in last.money}
    limits = Limits(
        caps=ledger.caps_in_force(policy.portfolio, plan.date),
        held=ledger.held_scopes(policy, plan.date),
        max_daily_change=policy.max_daily_change,
        total=policy.budget.daily if policy.budget.daily is not None else policy.budget.monthly,
        exactly=policy.budget.spend == "exactly",
        set_now=set_now,
        fixed=fixed_on(policy, ledger.experiments(policy.portfolio), plan.date),
    )
    return breaches(plan, limits)


def fixed_on(
    policy: Policy, experiments: Sequence[ExperimentRecord], day: date
) -> tuple[Fixed, ...]:
    """Return what people fixed for a day, as the settings and the ledger say now.

    It reads the declarations and assignments themselves and none of the night's code, so that a
    night that misread them is found out.
    """
    from pipeline.io.publish import Fixed

    out = []
    for ground in policy.safe_ground:
        begun = ground.valid_from is None or day >= ground.valid_from
        is_on = day in ground.days if ground.days else begun and day <= (ground.until or date.max)
        if is_on:
            out.append(Fixed(scope=ground.scope, why=f"safe ground, {ground.because}"))
    for record in experiments:
        plan = record.assignment
        last = record.ended or plan["to"] or date.max.isoformat()
        if not plan["from"] <= day.isoformat() <= last:
            continue
        is_holdout, units = plan.get("kind") == "holdout", frozenset(plan["treated"])
        whole_scope = plan["scope"] and not is_holdout
        out.append(
            Fixed(
                scope=plan["scope"],
                among=None if whole_scope else (plan.get("unit_column", ""), units),
                why=f"{'holdout' if is_holdout else 'test'} {record.name} runs",
            )
        )
    return tuple(out)


def refuse_breaches(portfolio: Portfolio, actor: Actor, action: str, plan_id: str) -> None:
    """Refuse a plan that was altered, is beyond the hard limits, or whose signature is void now."""
    from pipeline.core.plan import Status
    from pipeline.io.ledger.identity import may_still_sign
    from pipeline.io.ledger.records import AlteredError

    ledger = portfolio.ledger
    try:
        record = ledger.plan(plan_id)
        is_open = record.status in {Status.PROPOSED, Status.APPROVED} and not record.is_published
        problems = plan_breaches(portfolio, record) if is_open else ()
        why = f"plan {plan_id} breaks hard limits: {'; '.join(problems)}" if problems else ""
        is_signed = record.status is Status.APPROVED and not record.is_published_everywhere
        if is_signed and not may_still_sign(portfolio.policy, record.decided_by):
            why = (
                f"plan {plan_id} was signed by {record.decided_by}, who may not sign plans any "
                f"more; revoke it with 'equimarginal revoke {plan_id}' and run the night again"
            )
    except AlteredError as error:
        why = str(error)
    if why:
        ledger.record_denied(actor.name, action, plan_id, why)
        raise NotAllowedError(why)
