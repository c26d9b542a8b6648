"""Sign-off: who decides, what they decide about, and what follows from it.

The command line and Airflow's sign-off task call the same functions; the ledger has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import NotAllowedError, NotFoundError, PipelineError
from pipeline.core.types import Line
from pipeline.runs.portfolio import Portfolio, open_portfolio

if TYPE_CHECKING:
    from pipeline.core.caps import Cap
    from pipeline.core.policy import CapSpec
    from pipeline.io.ledger import Actor, Ledger, PlanRecord

HEAD_NAME = "audit-head.json"
PUBLISHED_FOLDER = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A plan after a decision, with what people should be told beside it."""

    record: PlanRecord
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan with status, decision and publication."""
        return self.record.to_json()


def ready_ledger(portfolio: Portfolio) -> Ledger:
    """Return the ledger, knowing the policy's caps, with what is overdue marked so."""
    ledger = portfolio.ledger
    ledger.register_policy_caps(portfolio.policy)
    ledger.expire_due(portfolio.policy.portfolio)
    return ledger


def existing_ledger(portfolio: Portfolio) -> Ledger:
    """Return the ready ledger of a portfolio that had a night; a question makes no ledger.

    Raises:
        NotFoundError: there was no night yet.
    """
    from pipeline.io.ledger import has_ledger, ledger_place

    place = ledger_place(portfolio.policy.ledger, portfolio.folder)
    if not has_ledger(place, head_path=portfolio.state / HEAD_NAME):
        raise NotFoundError("no plan yet; run 'equimarginal night' first")
    return ready_ledger(portfolio)


def list_plans(portfolio: Portfolio) -> tuple[PlanRecord, ...]:
    """Return every plan of the portfolio, newest first; none before its first night."""
    try:
        return existing_ledger(portfolio).plans(portfolio.policy.portfolio, kind=None)
    except NotFoundError:
        return ()


def decide(
    folder: str | Path,
    plan_id: str,
    expected_hash: str | None,
    actor: str,
    approve: bool,
    why: str = "",
    *,
    identity_verified_by: str = "",
) -> Decided:
    """Approve and publish, or reject, the plan of a portfolio folder.

    Args:
        expected_hash: of the content that the person was shown.
        identity_verified_by: who vouches for the person, such as `airflow`; the roles are checked
            here all the same.

    Raises:
        NotAllowedError: the ledger refuses; the attempt is recorded.
    """
    portfolio = open_portfolio(folder)
    if approve:
        return approve_plan(
            portfolio, plan_id, actor, expected_hash, verified_by=identity_verified_by
        )
    return reject_plan(
        portfolio, plan_id, actor, why, expected_hash, verified_by=identity_verified_by
    )


def approve_plan(
    portfolio: Portfolio,
    ref: str,
    person: str,
    expected_hash: str | None = None,
    *,
    verified_by: str = "",
) -> Decided:
    """Sign a plan as a person and publish it."""
    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = _actor(portfolio, person, "approve plan", plan_id, verified_by)
    _refuse_breaches(portfolio, actor, "approve plan", plan_id)
    record = ledger.approve_plan(plan_id, actor, portfolio.policy, expected_hash=expected_hash)
    return _publish_if_allowed(portfolio, record, actor)


def sign_by_policy(portfolio: Portfolio, ref: str) -> Decided | None:
    """Sign and publish a plan that `approval.auto_within` covers; None where a person has to."""
    from pipeline.io.ledger.identity import POLICY
    from pipeline.io.ledger.records import Actor

    ledger = existing_ledger(portfolio)
    if portfolio.policy.approval.auto_within is None:
        return None
    if plan_breaches(portfolio, ledger.plan(ref, portfolio.policy.portfolio)):
        return None
    record = ledger.approve_by_policy(ref, portfolio.policy)
    if record is None:
        return None
    return _publish_if_allowed(portfolio, record, Actor(name=POLICY, verified_by=POLICY))


def reject_plan(
    portfolio: Portfolio,
    ref: str,
    person: str,
    why: str,
    expected_hash: str | None = None,
    *,
    verified_by: str = "",
) -> Decided:
    """Refuse a plan as a person."""
    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = _actor(portfolio, person, "reject plan", plan_id, verified_by)
    record = ledger.reject_plan(plan_id, actor, portfolio.policy, why, expected_hash=expected_hash)
    return Decided(record=record)


def revoke_plan(portfolio: Portfolio, ref: str, person: str, why: str) -> Decided:
    """Withdraw a signature as a person."""
    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = _actor(portfolio, person, "revoke plan", plan_id)
    return Decided(record=ledger.revoke_plan(plan_id, actor, portfolio.policy, why))


def publish_plan(portfolio: Portfolio, ref: str, person: str | None = None) -> Decided:
    """Publish an approved plan, or finish a publication that was interrupted.

    The signature is the plan's; without a person it is published in the name of who signed it.
    """
    from pipeline.io.ledger.records import Actor

    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    record = ledger.plan(plan_id)
    if person is None:
        actor = Actor(name=record.decided_by or "nobody", verified_by="signature")
    else:
        actor = _actor(portfolio, person, "publish plan", plan_id)
    return _publish(portfolio, record, actor)


def set_paused(portfolio: Portfolio, person: str, why: str, *, paused: bool) -> None:
    """Stop or allow publishing, as a person."""
    verb = "pause" if paused else "resume"
    ledger = ready_ledger(portfolio)
    actor = _actor(portfolio, person, verb, portfolio.policy.portfolio)
    (ledger.pause if paused else ledger.resume)(actor, portfolio.policy, why)


def propose_cap(portfolio: Portfolio, spec: CapSpec, person: str, reason: str) -> Cap:
    """Propose a cap as a person; it waits for finance."""
    ledger = ready_ledger(portfolio)
    actor = _actor(portfolio, person, "propose cap", "cap")
    return ledger.propose_cap(spec, actor, portfolio.policy, reason)


def approve_caps(portfolio: Portfolio, ref: str | None, person: str) -> tuple[Cap, ...]:
    """Approve one cap, or all that wait, as a person; return those that are now in force.

    Raises:
        NotAllowedError: one was refused; the others are approved all the same.
    """
    ledger = ready_ledger(portfolio)
    name = portfolio.policy.portfolio
    waiting = [ref] if ref is not None else [cap.id for cap in waiting_caps(portfolio)]
    actor = _actor(portfolio, person, "approve cap", ", ".join(waiting) or name)
    approved: list[Cap] = []
    refused: list[NotAllowedError] = []
    for cap_id in waiting:
        try:
            approved.append(ledger.approve_cap(cap_id, actor, portfolio.policy))
        except NotAllowedError as error:
            refused.append(error)
    if refused:
        done = f"; approved: {', '.join(cap.id for cap in approved)}" if approved else ""
        raise NotAllowedError("; ".join(str(error) for error in refused) + done)
    return tuple(approved)


def reject_cap(portfolio: Portfolio, ref: str, person: str, why: str) -> Cap:
    """Refuse a proposed cap as a person."""
    ledger = ready_ledger(portfolio)
    actor = _actor(portfolio, person, "reject cap", ref)
    return ledger.reject_cap(ref, actor, portfolio.policy, why)


def waiting_caps(portfolio: Portfolio) -> tuple[Cap, ...]:
    """Return the proposed caps, oldest first."""
    from pipeline.core.caps import CapStatus

    caps = ready_ledger(portfolio).caps(portfolio.policy.portfolio)
    return tuple(cap for cap in caps if cap.status is CapStatus.PROPOSED)


def caps_overview(portfolio: Portfolio, day: date) -> dict[str, Any]:
    """Return the caps in force on `day`, those that wait, and the version plans are bound to."""
    ledger = ready_ledger(portfolio)
    name = portfolio.policy.portfolio
    return {
        "date": day.isoformat(),
        "in_force": [cap.model_dump(mode="json") for cap in ledger.caps_in_force(name, day)],
        "waiting": [cap.model_dump(mode="json") for cap in waiting_caps(portfolio)],
        "held": list(ledger.held_scopes(portfolio.policy, day)),
        "version": ledger.caps_version(name, day),
    }


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


def _publish_if_allowed(portfolio: Portfolio, record: PlanRecord, actor: Actor) -> Decided:
    """Publish right after signing; where that cannot be, the plan stays signed and it is said."""
    try:
        return _publish(portfolio, record, actor)
    except PipelineError as error:
        return Decided(
            record=portfolio.ledger.plan(record.plan_id),
            notes=(f"signed, but not published: {error}",),
        )


def _publish(portfolio: Portfolio, record: PlanRecord, actor: Actor) -> Decided:
    from pipeline.io.publish import publish_files

    _refuse_breaches(portfolio, actor, "publish plan", record.plan_id)
    done = publish_files(record, portfolio.ledger, actor, portfolio.folder / PUBLISHED_FOLDER)
    notes = tuple(f"line {line} is not in the sheet: {why}" for line, why in done.left_out)
    return Decided(record=portfolio.ledger.plan(record.plan_id), notes=notes, folder=done.folder)


def _refuse_breaches(portfolio: Portfolio, actor: Actor, action: str, plan_id: str) -> None:
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


def _actor(
    portfolio: Portfolio, person: str, action: str, subject: str, verified_by: str = ""
) -> Actor:
    """Return who acts; somebody unknown or from another login is refused and recorded."""
    from pipeline.io.ledger import resolve_actor

    try:
        return resolve_actor(portfolio.policy, person, verified_by=verified_by)
    except NotAllowedError as error:
        portfolio.ledger.record_denied(person, action, subject, str(error))
        raise
