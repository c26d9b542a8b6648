"""Alarms that reach a person: no plan, no signature by the set hour, a fallback that grows old.

An alarm is an error in the log, and a mail through Airflow's connection `smtp_default` to the
people of `alerts.email`. A mail that cannot be sent never stops a night.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from pipeline.airflow_plugin.days import plan_day
from pipeline.core.errors import PipelineError
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind, Status
from pipeline.core.policy import Policy, Schedule
from pipeline.io.checks import printable
from pipeline.runs.portfolio import open_portfolio

if TYPE_CHECKING:
    from pipeline.io.ledger import PlanRecord
    from pipeline.runs.portfolio import Portfolio

_DECIDED = {Status.APPROVED, Status.REJECTED, Status.REVOKED}

log = logging.getLogger(__name__)


def raise_alarm(policy: Policy, text: str) -> None:
    """Log the alarm and send it to everybody of `alerts.email`."""
    line = printable(f"{policy.portfolio}: {text}")
    log.error("ALARM %s", line)
    if not policy.alerts.email:
        return
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    notifier = SmtpNotifier(
        to=list(policy.alerts.email),
        subject=f"Equimarginal: {line[:120]}",
        html_content=html.escape(line),
    )
    try:
        notifier.notify({})
    except Exception:
        log.exception("the alarm could not be sent by mail; check the connection smtp_default")


def on_failure(folder: str, kind: Kind) -> Callable[[Mapping[str, Any]], None]:
    """Return what a failed task of the portfolio calls."""

    def failed(context: Mapping[str, Any]) -> None:
        task, error = context["ti"].task_id, context.get("exception")
        try:
            portfolio = open_portfolio(folder)
        except PipelineError as problem:
            log.error("ALARM %s: %s", Path(folder).name, printable(str(problem)))  # noqa: TRY400
            return
        why = f" ({error})" if error else ""
        raise_alarm(portfolio.policy, f"{task} failed{why}; {_rests(portfolio, kind)}")

    return failed


def sign_deadline(
    folder: str, schedule: Schedule, kind: Kind = Kind.BUDGET
) -> DeadlineAlert | None:
    """Return the deadline of the signature, None where the portfolio sets no hour."""
    if schedule.sign_by is None:
        return None
    begins, ends = (datetime.strptime(text, "%H:%M") for text in (schedule.at, schedule.sign_by))
    wait = ends - begins
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=wait if wait > timedelta(0) else wait + timedelta(days=1),
        callback=SyncCallback(not_signed, kwargs={"folder": folder, "kind": kind.value}),
    )


def not_signed(context: Mapping[str, Any], folder: str, kind: str = Kind.BUDGET.value) -> bool:
    """Raise the alarm unless the day's plan was decided; return whether it was raised."""
    portfolio = open_portfolio(folder)
    policy = portfolio.policy
    day = _day_of(context["dag_run"], policy)
    newest = portfolio.ledger.plans(policy.portfolio, kind=Kind(kind), limit=50)
    records = [item for item in newest if item.document.date.isoformat() == day]
    if any(item.status in _DECIDED for item in records):
        return False
    what = f"plan {records[0].plan_id} is not signed" if records else f"there is no plan for {day}"
    rests = _rests(portfolio, Kind(kind))
    raise_alarm(policy, f"{what} by {policy.schedule.sign_by}; {rests}")
    return True


def _rests(portfolio: Portfolio, kind: Kind) -> str:
    """Return what holds meanwhile; a ledger that cannot be read is taken to have a signed plan."""
    try:
        signed = portfolio.ledger.last_published(portfolio.policy.portfolio, kind=kind) is not None
    except PipelineError:
        signed = True
    return KINDS[kind].rests(is_signed=signed)


def old_fallback(portfolio: Portfolio, record: PlanRecord) -> bool:
    """Raise the alarm where a fallback has been in force for too long; return whether it was."""
    days = record.document.fallback_days
    if days < portfolio.policy.alerts.fallback_days:
        return False
    urgent = "URGENT: " if days >= 2 * portfolio.policy.alerts.fallback_days else ""
    reason = record.document.reasons[-1] if record.document.reasons else ""
    raise_alarm(
        portfolio.policy,
        f"{urgent}fallback for {days} days, plan {record.plan_id} repeats what was approved; "
        f"{reason}",
    )
    return True


def _day_of(run: Any, policy: Policy) -> str:
    """Return the business day of a run, which a deadline knows as a mapping."""
    if not isinstance(run, Mapping):
        return plan_day(run, getattr(run, "conf", None) or {}, policy.timezone)
    asked = (run.get("conf") or {}).get("day") or run.get("partition_key")
    if asked:
        return str(asked)
    moment = datetime.fromisoformat(str(run.get("logical_date") or run["run_after"]))
    return moment.astimezone(ZoneInfo(policy.timezone)).date().isoformat()
