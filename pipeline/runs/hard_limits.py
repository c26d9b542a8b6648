"""The publisher's hard limits, read from policy and ledger as they are at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.errors import NotAllowedError
from pipeline.core.types import Line
from pipeline.runs.portfolio import Portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import Actor, PlanRecord


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
    )
    return breaches(plan, limits)


def refuse_breaches(portfolio: Portfolio, actor: Actor, action: str, plan_id: str) -> None:
    """Refuse a plan that was altered or is beyond the hard limits, whoever signs it."""
    from pipeline.core.plan import Status
    from pipeline.io.ledger.records import AlteredError

    ledger = portfolio.ledger
    try:
        record = ledger.plan(plan_id)
        is_open = record.status in {Status.PROPOSED, Status.APPROVED} and not record.is_published
        problems = plan_breaches(portfolio, record) if is_open else ()
        why = f"plan {plan_id} breaks hard limits: {'; '.join(problems)}" if problems else ""
    except AlteredError as error:
        why = str(error)
    if why:
        ledger.record_denied(actor.name, action, plan_id, why)
        raise NotAllowedError(why)
