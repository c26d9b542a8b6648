"""Plans in the ledger: proposed, decided, expired; each change a compare-and-set."""

from __future__ import annotations

import json
from datetime import date

from sqlalchemy import Connection, select, update

from pipeline.core.decision import Document
from pipeline.core.errors import DamagedError, NotAllowedError, UsageError
from pipeline.core.plan import Kind, Status
from pipeline.core.policy import Policy
from pipeline.io.ledger import schema
from pipeline.io.ledger.auto import reasons_against
from pipeline.io.ledger.base import LedgerBase, Transaction, refuse_clock_behind
from pipeline.io.ledger.cap_rows import signers_of_caps
from pipeline.io.ledger.identity import POLICY, require_role
from pipeline.io.ledger.plan_rows import (
    due_plans,
    expire_due_plans,
    find_plan,
    insert_plan,
    plan_row,
    read_record,
    reopen_plan,
    stored_plan,
    supersede_plan,
    supersede_waiting,
    undamaged_plan,
)
from pipeline.io.ledger.records import Actor, PlanRecord
from pipeline.io.ledger.signable import check_still_true, check_waiting, why_not_its_day
from pipeline.io.ledger.stated import NOTHING_STATED, Stated, check_stated, was_stated
from pipeline.io.ledger.states import PLAN_MOVES

_TABLE = schema.plan


class PlanBook(LedgerBase):
    """Everything that happens to a plan before it is published."""

    def propose_plan(self, plan: Document, policy: Policy) -> PlanRecord:
        """Store a night's plan as proposed; the same plan again changes nothing.

        Other plans of that kind and day that still wait are superseded.

        Raises:
            DamagedError: another content is stored under the plan's id.
            UsageError: the plan is not of this portfolio and currency.
        """
        if (plan.portfolio, plan.currency) != (policy.portfolio, policy.currency):
            raise UsageError(
                f"plan {plan.plan_id}: of portfolio {plan.portfolio} in {plan.currency}, "
                f"need {policy.portfolio} in {policy.currency}"
            )
        with self._writing() as transaction:
            expire_due_plans(transaction, plan.portfolio)
            row = plan_row(transaction.connection, plan.plan_id)
            if row is None:
                supersede_waiting(transaction, plan)
                insert_plan(transaction, plan, policy.timezone)
            elif row.content_hash != plan.content_hash:
                raise DamagedError(
                    f"plan {plan.plan_id}: stored with {row.content_hash}, "
                    f"now computed with {plan.content_hash}; same inputs must give the same plan: "
                    f"run 'equimarginal replay {plan.plan_id}'"
                )
            elif row.status in PLAN_MOVES["reopen"].before and not row.decided_by:
                supersede_waiting(transaction, plan)
                reopen_plan(transaction, plan, policy.timezone)
            return stored_plan(transaction.connection, plan.plan_id)

    def plan(self, ref: str, portfolio: str | None = None) -> PlanRecord:
        """Return the plan of an id, of a unique beginning of one, or the `latest`.

        Raises:
            NotFoundError: there is none.
            UsageError: several begin so.
            DamagedError: the stored bytes do not match their hash.
        """
        with self._database.read() as connection:
            return read_record(connection, find_plan(connection, ref, portfolio))

    def plan_id(self, ref: str, portfolio: str | None = None) -> str:
        """Return the id that `ref` means, without reading the plan itself."""
        with self._database.read() as connection:
            return str(find_plan(connection, ref, portfolio).plan_id)

    def plans(
        self,
        portfolio: str | None = None,
        *,
        kind: Kind | None = Kind.BUDGET,
        limit: int | None = None,
    ) -> tuple[PlanRecord, ...]:
        """Return every plan of a kind, or of all with None, or so many, newest proposal first."""
        query = select(_TABLE).order_by(_TABLE.c.proposed_seq.desc()).limit(limit)
        if kind is not None:
            query = query.where(_TABLE.c.kind == kind.value)
        if portfolio is not None:
            query = query.where(_TABLE.c.portfolio == portfolio)
        with self._database.read() as connection:
            return tuple(read_record(connection, row) for row in connection.execute(query).all())

    def plan_before(self, portfolio: str, day: date, kind: Kind = Kind.BUDGET) -> PlanRecord | None:
        """Return the newest plan of a kind and an earlier day, whatever became of it."""
        query = (
            select(_TABLE)
            .where(
                _TABLE.c.portfolio == portfolio,
                _TABLE.c.kind == kind.value,
                _TABLE.c.day < day.isoformat(),
            )
            .order_by(_TABLE.c.day.desc(), _TABLE.c.proposed_seq.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
            return None if row is None else read_record(connection, row)

    def approve_plan(
        self,
        ref: str,
        actor: Actor,
        policy: Policy,
        stated: Stated = NOTHING_STATED,
    ) -> PlanRecord:
        """Sign a plan. Binds its content, portfolio, day and the caps in force.

        Args:
            stated: which plan is meant; nothing else is signed.

        Raises:
            NotAllowedError: wrong role, decided, expired, other caps, not as stated; recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "approve plan", plan_id) as transaction:
            connection = transaction.connection
            require_role(policy, actor, "analysts", f"approve plan {plan_id}")
            record = undamaged_plan(connection, plan_id)
            check_waiting(record, transaction.at)
            refuse_clock_behind(f"plan {plan_id}", transaction.at, record.proposed_at, "proposed")
            check_stated(record, stated, everything=_is_restated(record, policy))
            check_still_true(connection, record, policy, transaction.at)
            signers = signers_of_caps(connection, policy.portfolio, record.document.date)
            if record.kind is Kind.BUDGET and actor.name in signers:
                raise NotAllowedError(
                    f"{actor.name} approved a cap that is in force in plan {plan_id}; "
                    "somebody else must sign the plan"
                )
            _approve(transaction, record, actor, "", stated)
            return stored_plan(connection, plan_id)

    def approve_by_policy(self, ref: str, policy: Policy) -> PlanRecord | None:
        """Sign a plan that moves less than `approval.auto_within`; None when it does not."""
        plan_id = self._open_for_decision(ref, policy)
        limits = policy.approval.auto_within
        if limits is None:
            return None
        with self._writing() as transaction:
            connection = transaction.connection
            record = stored_plan(connection, plan_id)
            if record.kind is not Kind.BUDGET or record.status is not Status.PROPOSED:
                return None  # what moves people and messages is always signed by a person
            if reasons_against(record, limits, policy.budget.daily):
                return None
            check_still_true(connection, record, policy, transaction.at)
            why = f"within line_change {limits.line_change:g} and moved {limits.moved:g}"
            _approve(transaction, record, Actor(name=POLICY, verified_by=POLICY), why)
            return stored_plan(connection, plan_id)

    def reject_plan(
        self,
        ref: str,
        actor: Actor,
        policy: Policy,
        why: str,
        stated: Stated = NOTHING_STATED,
    ) -> PlanRecord:
        """Refuse a plan for good.

        Raises:
            NotAllowedError: wrong role, decided, expired or other content; it is recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "reject plan", plan_id) as transaction:
            require_role(policy, actor, "analysts", f"reject plan {plan_id}")
            record = undamaged_plan(transaction.connection, plan_id)
            check_waiting(record, transaction.at)
            check_stated(record, stated, everything=False)
            _move(transaction, record, "reject", actor, why, stated)
            return stored_plan(transaction.connection, plan_id)

    def revoke_plan(self, ref: str, actor: Actor, policy: Policy, why: str) -> PlanRecord:
        """Withdraw the signature; what was published stays published, but is no fallback.

        Raises:
            NotAllowedError: wrong role, or the plan is not approved; it is recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "revoke plan", plan_id) as transaction:
            require_role(policy, actor, "analysts", f"revoke plan {plan_id}")
            record = stored_plan(transaction.connection, plan_id)
            _move(transaction, record, "revoke", actor, why)
            return stored_plan(transaction.connection, plan_id)

    def check_publisher_means(
        self, record: PlanRecord, actor: Actor, policy: Policy, stated: Stated | None
    ) -> None:
        """Refuse to publish a plan that nobody said they mean, where that has to be said.

        Args:
            stated: by the person who publishes; None where nobody is asked: the signature counts.

        Raises:
            NotAllowedError: it is another plan, or something was not said; it is recorded.
        """
        needed = _is_restated(record, policy) and record.status is Status.APPROVED
        with self._deciding(actor, "publish plan", record.plan_id) as transaction:
            if stated is not None:
                check_stated(record, stated, everything=needed)
            elif needed and not _signature_stated(transaction.connection, record):
                check_stated(record, NOTHING_STATED, everything=True)

    def why_not_its_day(self, record: PlanRecord, policy: Policy) -> str:
        """Return why a plan of this day cannot be signed now, whoever signs; empty where it can."""
        with self._database.read() as connection:
            return why_not_its_day(connection, record.document, policy, self.now())

    def expire_due(self, portfolio: str | None = None) -> tuple[str, ...]:
        """Mark every waiting plan whose time is over, and return their ids."""
        with self._database.read() as connection:
            if not due_plans(connection, self.now(), portfolio):
                return ()
        with self._writing() as transaction:
            return expire_due_plans(transaction, portfolio)

    def _open_for_decision(self, ref: str, policy: Policy) -> str:
        """Return the id that is meant, after what is overdue was marked so."""
        plan_id = self.plan_id(ref, policy.portfolio)
        self.expire_due(policy.portfolio)
        return plan_id


def _is_restated(record: PlanRecord, policy: Policy) -> bool:
    """Return whether a person has to say which plan is meant before it moves money."""
    return record.kind is Kind.BUDGET and policy.restates


def _signature_stated(connection: Connection, record: PlanRecord) -> bool:
    """Return whether the plan was signed by policy, or by a person who said everything."""
    if record.decided_by == POLICY:
        return True
    query = (
        select(schema.audit.c.payload)
        .where(
            schema.audit.c.action == PLAN_MOVES["approve"].audit,
            schema.audit.c.subject == record.plan_id,
        )
        .order_by(schema.audit.c.seq.desc())
        .limit(1)
    )
    payload = connection.execute(query).scalar()
    return payload is not None and was_stated(json.loads(payload))


def _approve(
    transaction: Transaction,
    record: PlanRecord,
    actor: Actor,
    why: str,
    stated: Stated = NOTHING_STATED,
) -> None:
    """Move to approved, and the day's plan that was approved before to superseded."""
    earlier = select(_TABLE.c.plan_id).where(
        _TABLE.c.portfolio == record.document.portfolio,
        _TABLE.c.day == record.document.date.isoformat(),
        _TABLE.c.kind == record.kind.value,
        _TABLE.c.status == Status.APPROVED.value,
    )
    for plan_id in transaction.connection.execute(earlier).scalars().all():
        supersede_plan(transaction, plan_id, record.plan_id)
    _move(transaction, record, "approve", actor, why, stated)


def _move(
    transaction: Transaction,
    record: PlanRecord,
    action: str,
    actor: Actor,
    why: str,
    stated: Stated = NOTHING_STATED,
) -> None:
    """Compare-and-set the status and record who decided what, about which content."""
    move = PLAN_MOVES[action]
    result = transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.plan_id == record.plan_id, _TABLE.c.status.in_(move.before))
        .values(
            status=move.after,
            decided_by=actor.name,
            decided_at=transaction.at,
            why=why,
            verified_by=actor.verified_by,
        )
    )
    if result.rowcount != 1:
        raise NotAllowedError(
            f"plan {record.plan_id} is {record.status.value}, to {action} it needs to be "
            f"{' or '.join(move.before)}"
        )
    transaction.record(
        actor.name,
        move.audit,
        record.plan_id,
        {
            "portfolio": record.document.portfolio,
            "day": record.document.date.isoformat(),
            "content_hash": record.content_hash,
            "caps_version": record.document.caps_version,
            "why": why,
            "verified_by": actor.verified_by,
            **({"stated": stated.names} if stated.names else {}),
        },
    )
