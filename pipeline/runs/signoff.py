"""Sign-off: who decides, what they decide about, and what follows from it.

The command line and Airflow's sign-off task call the same functions; the ledger has the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import (
    NotAllowedError,
    NotFoundError,
    PipelineError,
    StorageError,
    UsageError,
)
from pipeline.runs.cap_impact import cap_impact
from pipeline.runs.destinations import deliver_everywhere
from pipeline.runs.hard_limits import plan_breaches, refuse_breaches
from pipeline.runs.portfolio import Portfolio, open_portfolio

if TYPE_CHECKING:
    from pipeline.core.caps import Cap
    from pipeline.core.policy import CapSpec
    from pipeline.io.ledger import Actor, Ledger, PlanRecord, Stated

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
    stated: Stated,
    actor: str,
    approve: bool,
    why: str = "",
    *,
    identity_verified_by: str = "",
) -> Decided:
    """Approve and publish, or reject, the plan of a portfolio folder.

    Args:
        stated: of the plan, by the person who was shown it.
        identity_verified_by: who vouches for the person, such as `airflow`; the roles are checked
            here all the same.

    Raises:
        NotAllowedError: the ledger refuses; the attempt is recorded.
    """
    portfolio = open_portfolio(folder)
    if approve:
        return approve_plan(portfolio, plan_id, actor, stated, verified_by=identity_verified_by)
    return reject_plan(portfolio, plan_id, actor, why, stated, verified_by=identity_verified_by)


def approve_plan(
    portfolio: Portfolio,
    ref: str,
    person: str,
    stated: Stated | None = None,
    *,
    verified_by: str = "",
) -> Decided:
    """Sign a plan as a person, if it is what is stated, and publish it."""
    from pipeline.io.ledger import NOTHING_STATED
    from pipeline.runs.reports import altered_page

    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = acting(portfolio, person, "approve plan", plan_id, verified_by)
    refuse_breaches(portfolio, actor, "approve plan", plan_id)
    if why := altered_page(portfolio, ledger.plan(plan_id)):
        ledger.record_denied(actor.name, "approve plan", plan_id, why)
        raise NotAllowedError(why)
    record = ledger.approve_plan(plan_id, actor, portfolio.policy, stated or NOTHING_STATED)
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
    stated: Stated | None = None,
    *,
    verified_by: str = "",
) -> Decided:
    """Refuse a plan as a person."""
    from pipeline.io.ledger import NOTHING_STATED

    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = acting(portfolio, person, "reject plan", plan_id, verified_by)
    record = ledger.reject_plan(plan_id, actor, portfolio.policy, why, stated or NOTHING_STATED)
    return Decided(record=record)


def revoke_plan(portfolio: Portfolio, ref: str, person: str, why: str) -> Decided:
    """Withdraw a signature as a person."""
    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    actor = acting(portfolio, person, "revoke plan", plan_id)
    return Decided(record=ledger.revoke_plan(plan_id, actor, portfolio.policy, why))


def publish_plan(
    portfolio: Portfolio, ref: str, person: str | None = None, stated: Stated | None = None
) -> Decided:
    """Publish an approved plan, or finish a publication that was interrupted.

    The signature is the plan's; without a person it is published in the name of who signed it.

    Args:
        stated: of the plan that is meant; None where nobody is asked and the signature counts.
    """
    from pipeline.io.ledger.records import Actor

    ledger = existing_ledger(portfolio)
    plan_id = ledger.plan_id(ref, portfolio.policy.portfolio)
    record = ledger.plan(plan_id)
    if person is None:
        actor = Actor(name=record.decided_by or "nobody", verified_by="signature")
    else:
        actor = acting(portfolio, person, "publish plan", plan_id)
    ledger.check_publisher_means(record, actor, portfolio.policy, stated)
    return _publish(portfolio, record, actor)


def set_paused(portfolio: Portfolio, person: str, why: str, *, paused: bool) -> None:
    """Stop or allow publishing, as a person."""
    verb = "pause" if paused else "resume"
    ledger = ready_ledger(portfolio)
    actor = acting(portfolio, person, verb, portfolio.policy.portfolio)
    (ledger.pause if paused else ledger.resume)(actor, portfolio.policy, why)


def cap_spec(values: Mapping[str, Any]) -> CapSpec:
    """Return the cap that a form or a command line states.

    Raises:
        UsageError: it contradicts itself; the message names every problem.
    """
    from pydantic import ValidationError

    from pipeline.core.policy import CapSpec
    from pipeline.core.setting_words import setting_problems
    from pipeline.core.settings import numbers_as_floats

    try:
        return CapSpec.model_validate(numbers_as_floats({**values}))
    except ValidationError as error:
        problems = setting_problems(error, (CapSpec,), whole="")
        raise UsageError(f"cap: {'; '.join(problems)}") from error


def paused_notice(portfolio: Portfolio) -> str:
    """Return what people are told while publishing is stopped; nothing while it is not."""
    try:
        is_paused = existing_ledger(portfolio).is_paused(portfolio.policy.portfolio)
    except NotFoundError:
        return ""
    return "publishing is paused; 'equimarginal resume' allows it again" if is_paused else ""


def propose_cap(
    portfolio: Portfolio, spec: CapSpec, person: str, reason: str, *, verified_by: str = ""
) -> Cap:
    """Propose a cap as a person; it waits for finance, with what it would have cost last night."""
    ledger = ready_ledger(portfolio)
    actor = acting(portfolio, person, "propose cap", "cap", verified_by)
    return ledger.propose_cap(spec, actor, portfolio.policy, reason, cap_impact(portfolio, spec))


def decide_cap(
    portfolio: Portfolio, ref: str, person: str, *, approve: bool, why: str, verified_by: str = ""
) -> Cap:
    """Approve or reject a cap as a person.

    Raises:
        NotAllowedError: the ledger refuses; the attempt is recorded.
    """
    ledger = ready_ledger(portfolio)
    actor = acting(portfolio, person, "approve cap" if approve else "reject cap", ref, verified_by)
    if approve:
        return ledger.approve_cap(ref, actor, portfolio.policy)
    return ledger.reject_cap(ref, actor, portfolio.policy, why)


def approve_caps(portfolio: Portfolio, ref: str | None, person: str) -> tuple[Cap, ...]:
    """Approve one cap, or all that wait, as a person; return those that are now in force.

    Raises:
        NotAllowedError: one was refused; the others are approved all the same.
    """
    ledger = ready_ledger(portfolio)
    name = portfolio.policy.portfolio
    waiting = [ref] if ref is not None else [cap.id for cap in waiting_caps(portfolio)]
    actor = acting(portfolio, person, "approve cap", ", ".join(waiting) or name)
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
    return decide_cap(portfolio, ref, person, approve=False, why=why)


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
        "paused": ledger.is_paused(name),
        "history": [
            {**cap.model_dump(mode="json"), "standing": cap.standing(day)}
            for cap in ledger.caps(name)
        ],
        "version": ledger.caps_version(name, day),
    }


def _publish_if_allowed(portfolio: Portfolio, record: PlanRecord, actor: Actor) -> Decided:
    """Publish right after signing; what cannot be is said, and the plan stays signed."""
    try:
        return _publish(portfolio, record, actor)
    except PipelineError as error:
        again = f"equimarginal publish {record.plan_id}"
        then = "" if again in str(error) else f"; when that is mended, run '{again}'"
        note = f"signed, but not published everywhere: {error}{then}"
        return Decided(record=portfolio.ledger.plan(record.plan_id), notes=(note,))


def _publish(portfolio: Portfolio, record: PlanRecord, actor: Actor) -> Decided:
    from pipeline.io.publish import publish_files
    from pipeline.runs.course import course_of

    refuse_breaches(portfolio, actor, "publish plan", record.plan_id)
    done = publish_files(record, portfolio.ledger, actor, portfolio.folder / PUBLISHED_FOLDER)
    notes = [f"line {line} is not in the sheet: {why}" for line, why in done.left_out]
    notes += course_of(record.kind).carry_out(portfolio, record, done.folder)
    delivered = deliver_everywhere(portfolio, record, actor, done.folder)
    notes += delivered.notes
    if delivered.problems:
        raise StorageError("; ".join((*delivered.problems, *notes)))
    signed = portfolio.ledger.plan(record.plan_id)
    return Decided(record=signed, notes=tuple(notes), folder=done.folder)


def acting(
    portfolio: Portfolio, person: str, action: str, subject: str, verified_by: str = ""
) -> Actor:
    """Return who acts; somebody unknown or from another login is refused and recorded."""
    from pipeline.io.ledger import resolve_actor

    try:
        return resolve_actor(portfolio.policy, person, verified_by=verified_by)
    except NotAllowedError as error:
        portfolio.ledger.record_denied(person, action, subject, str(error))
        raise
