"""Whether a plan can be signed at this moment, whoever signs it."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from pipeline.core.decision import Document
from pipeline.core.errors import NotAllowedError
from pipeline.core.findings import Level, worst_level
from pipeline.core.plan import Kind, Status
from pipeline.core.policy import Policy
from pipeline.io.ledger.cap_rows import caps_version_of
from pipeline.io.ledger.publications import newest_signed_day
from pipeline.io.ledger.records import PlanRecord


def check_waiting(record: PlanRecord, at: str) -> None:
    """Refuse a plan that waits for no decision, or no longer."""
    if record.status is Status.PROPOSED:
        if record.expires_at <= at:
            raise NotAllowedError(f"plan {record.plan_id} expired at {record.expires_at}")
        return
    by = f" by {record.decided_by} at {record.decided_at}" if record.decided_by else ""
    raise NotAllowedError(
        f"plan {record.plan_id} is {record.status.value}{by}, only a proposed plan can be decided; "
        "'equimarginal plans' lists what waits"
    )


def check_still_true(connection: Connection, record: PlanRecord, policy: Policy, at: str) -> None:
    """Refuse a plan whose caps changed since, or whose day is not to be signed at the moment."""
    plan = record.document
    version = caps_version_of(connection, plan.portfolio, plan.date)
    if plan.kind is Kind.BUDGET and version != plan.caps_version:
        raise NotAllowedError(
            f"plan {plan.plan_id}: the caps in force on {plan.date} changed since it was made; "
            f"run 'equimarginal night --date {plan.date}' again"
        )
    if why := why_not_its_day(connection, plan, policy, at):
        raise NotAllowedError(f"plan {plan.plan_id}: {why}")


def why_not_its_day(connection: Connection, plan: Document, policy: Policy, at: str) -> str:
    """Return why the day of a plan cannot be signed at a moment; empty where it can.

    A night ahead of the clock whose data reach its eve is a rehearsal, and is signed as any other.
    Without them its day is most likely a slip, and its signature would end every day before it.
    """
    newest = newest_signed_day(connection, plan.portfolio, plan.kind)
    if newest is not None and plan.date < newest:
        return (
            f"{newest} is published, and this is for {plan.date}; "
            "a past day cannot be signed any more"
        )
    today = datetime.fromisoformat(at).astimezone(ZoneInfo(policy.timezone)).date()
    has_failed = worst_level(plan.findings) is Level.FAIL
    if has_failed and plan.date > today + timedelta(days=1):
        return (
            f"this is for {plan.date}, today is {today}, and no data for it can be trusted yet; "
            "if the date was a slip, run the night of the right day"
        )
    return ""
