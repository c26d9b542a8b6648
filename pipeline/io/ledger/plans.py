"""Plans in the ledger: proposed, decided, expired; each change a compare-and-set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, insert, select, update

from pipeline.core.canonical import canonical_bytes
from pipeline.core.errors import DamagedError, NotAllowedError, NotFoundError, UsageError
from pipeline.core.money import to_minor
from pipeline.core.plan import Plan, Status
from pipeline.core.policy import Policy
from pipeline.io.ledger import schema
from pipeline.io.ledger.auto import reasons_against
from pipeline.io.ledger.base import LedgerBase, Transaction, moment_text
from pipeline.io.ledger.capbook import caps_version_of, signers_of_caps
from pipeline.io.ledger.identity import NIGHT, POLICY, require_role
from pipeline.io.ledger.publications import newest_published_day, read_publication
from pipeline.io.ledger.records import Actor, LineMoney, PlanRecord
from pipeline.io.ledger.states import PLAN_MOVES

_TABLE = schema.plan
LATEST = "latest"


class PlanBook(LedgerBase):
    """Everything that happens to a plan before it is published."""

    def propose_plan(self, plan: Plan, policy: Policy) -> PlanRecord:
        """Store a night's plan as proposed; the same plan again changes nothing.

        Other plans of that day that still wait are superseded.

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
            _expire_due(transaction, plan.portfolio)
            row = _row(transaction.connection, plan.plan_id)
            if row is None:
                _supersede_waiting(transaction, plan)
                _insert(transaction, plan, policy.timezone)
            elif row.content_hash != plan.content_hash:
                raise DamagedError(
                    f"plan {plan.plan_id}: stored with {row.content_hash}, "
                    f"now computed with {plan.content_hash}; same inputs must give the same plan: "
                    f"run 'equimarginal replay {plan.plan_id}'"
                )
            elif row.status in PLAN_MOVES["reopen"].before and not row.decided_by:
                _supersede_waiting(transaction, plan)
                _reopen(transaction, plan, policy.timezone)
            return _record(transaction.connection, _need(transaction.connection, plan.plan_id))

    def plan(self, ref: str, portfolio: str | None = None) -> PlanRecord:
        """Return the plan of an id, of a unique beginning of one, or the `latest`.

        Raises:
            NotFoundError: there is none.
            UsageError: several begin so.
            DamagedError: the stored bytes do not match their hash.
        """
        with self._database.read() as connection:
            return _record(connection, _find(connection, ref, portfolio))

    def plan_id(self, ref: str, portfolio: str | None = None) -> str:
        """Return the id that `ref` means, without reading the plan itself."""
        with self._database.read() as connection:
            return str(_find(connection, ref, portfolio).plan_id)

    def plans(self, portfolio: str | None = None) -> tuple[PlanRecord, ...]:
        """Return every plan, newest proposal first."""
        query = select(_TABLE).order_by(_TABLE.c.proposed_seq.desc())
        if portfolio is not None:
            query = query.where(_TABLE.c.portfolio == portfolio)
        with self._database.read() as connection:
            return tuple(_record(connection, row) for row in connection.execute(query).all())

    def approve_plan(
        self, ref: str, actor: Actor, policy: Policy, *, expected_hash: str | None = None
    ) -> PlanRecord:
        """Sign a plan. Binds its content, portfolio, day and the caps in force.

        Raises:
            NotAllowedError: wrong role, decided, expired, other content or caps; it is recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "approve plan", plan_id) as transaction:
            connection = transaction.connection
            require_role(policy, actor, "analysts", f"approve plan {plan_id}")
            record = _undamaged(connection, plan_id)
            _check_waiting(record, transaction.at)
            _check_hash(record, expected_hash)
            _check_still_true(connection, record)
            if actor.name in signers_of_caps(connection, policy.portfolio, record.plan.date):
                raise NotAllowedError(
                    f"{actor.name} approved a cap that is in force in plan {plan_id}; "
                    "somebody else must sign the plan"
                )
            _approve(transaction, record, actor, "")
            return _record(connection, _need(connection, plan_id))

    def approve_by_policy(self, ref: str, policy: Policy) -> PlanRecord | None:
        """Sign a plan that moves less than `approval.auto_within`; None when it does not."""
        plan_id = self._open_for_decision(ref, policy)
        limits = policy.approval.auto_within
        if limits is None:
            return None
        with self._writing() as transaction:
            connection = transaction.connection
            record = _record(connection, _need(connection, plan_id))
            if record.status is not Status.PROPOSED or reasons_against(record, limits):
                return None
            _check_still_true(connection, record)
            why = f"within line_change {limits.line_change:g} and moved {limits.moved:g}"
            _approve(transaction, record, Actor(name=POLICY, verified_by=POLICY), why)
            return _record(connection, _need(connection, plan_id))

    def reject_plan(
        self,
        ref: str,
        actor: Actor,
        policy: Policy,
        why: str,
        *,
        expected_hash: str | None = None,
    ) -> PlanRecord:
        """Refuse a plan for good.

        Raises:
            NotAllowedError: wrong role, decided, expired or other content; it is recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "reject plan", plan_id) as transaction:
            require_role(policy, actor, "analysts", f"reject plan {plan_id}")
            record = _undamaged(transaction.connection, plan_id)
            _check_waiting(record, transaction.at)
            _check_hash(record, expected_hash)
            _move(transaction, record, "reject", actor, why)
            return _record(transaction.connection, _need(transaction.connection, plan_id))

    def revoke_plan(self, ref: str, actor: Actor, policy: Policy, why: str) -> PlanRecord:
        """Withdraw the signature; what was published stays published, but is no fallback.

        Raises:
            NotAllowedError: wrong role, or the plan is not approved; it is recorded.
        """
        plan_id = self._open_for_decision(ref, policy)
        with self._deciding(actor, "revoke plan", plan_id) as transaction:
            require_role(policy, actor, "analysts", f"revoke plan {plan_id}")
            record = _record(transaction.connection, _need(transaction.connection, plan_id))
            _move(transaction, record, "revoke", actor, why)
            return _record(transaction.connection, _need(transaction.connection, plan_id))

    def expire_due(self, portfolio: str | None = None) -> tuple[str, ...]:
        """Mark every waiting plan whose time is over, and return their ids."""
        with self._database.read() as connection:
            if not _due(connection, self.now(), portfolio):
                return ()
        with self._writing() as transaction:
            return _expire_due(transaction, portfolio)

    def _open_for_decision(self, ref: str, policy: Policy) -> str:
        """Return the id that is meant, after what is overdue was marked so."""
        plan_id = self.plan_id(ref, policy.portfolio)
        self.expire_due(policy.portfolio)
        return plan_id


def end_of_window(day: date, timezone: str, proposed: datetime) -> datetime:
    """Return until when a plan may be signed: its day's end, but a day at least."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(timezone))
    return max(midnight.astimezone(UTC), proposed.astimezone(UTC) + timedelta(hours=24))


def _find(connection: Connection, ref: str, portfolio: str | None) -> Row[Any]:
    query = select(_TABLE)
    if portfolio is not None:
        query = query.where(_TABLE.c.portfolio == portfolio)
    if ref == LATEST:
        row = connection.execute(query.order_by(_TABLE.c.proposed_seq.desc()).limit(1)).first()
        if row is None:
            raise NotFoundError("no plan yet; run 'equimarginal night' first")
        return row
    rows: Sequence[Row[Any]] = []
    if ref and ref.isascii() and ref.isprintable():
        begins = func.substr(_TABLE.c.plan_id, 1, len(ref)) == ref
        rows = connection.execute(query.where(begins).order_by(_TABLE.c.plan_id)).all()
    exact = [row for row in rows if row.plan_id == ref]
    if exact:
        return exact[0]
    if len(rows) > 1:
        names = ", ".join(row.plan_id for row in rows[:5])
        raise UsageError(f"plan {ref}: {len(rows)} plans begin so ({names}); give more of the id")
    if not rows:
        raise NotFoundError(f"plan {ref!r}: no such plan; 'equimarginal plans' lists them")
    return rows[0]


def _row(connection: Connection, plan_id: str) -> Row[Any] | None:
    return connection.execute(select(_TABLE).where(_TABLE.c.plan_id == plan_id)).first()


def _need(connection: Connection, plan_id: str) -> Row[Any]:
    row = _row(connection, plan_id)
    if row is None:
        raise NotFoundError(f"plan {plan_id}: no such plan; 'equimarginal plans' lists them")
    return row


def _record(connection: Connection, row: Row[Any]) -> PlanRecord:
    """Return the stored plan, its bytes checked against their hash and its lines."""
    content = bytes(row.content)
    money = _money(connection, row.plan_id)
    if "sha256:" + hashlib.sha256(content).hexdigest() != row.content_hash:
        raise _damaged(row.plan_id, "its content does not match its hash")
    plan = Plan.from_json(json.loads(content)).with_status(Status(row.status))
    if money != _lines(plan) or (plan.plan_id, plan.portfolio, plan.date.isoformat()) != (
        row.plan_id,
        row.portfolio,
        row.day,
    ):
        raise _damaged(row.plan_id, "its rows do not match its content")
    return PlanRecord(
        plan=plan,
        content=content,
        content_hash=row.content_hash,
        status=Status(row.status),
        proposed_seq=row.proposed_seq,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        why=row.why,
        verified_by=row.verified_by,
        money=money,
        publication=read_publication(connection, row.plan_id, [item.line for item in money]),
    )


def _damaged(plan_id: str, what: str) -> DamagedError:
    return DamagedError(
        f"plan {plan_id}: {what}; it was altered after it was stored: "
        "run 'equimarginal audit verify'"
    )


def _undamaged(connection: Connection, plan_id: str) -> PlanRecord:
    """Return the stored plan; a person must not sign one that was altered."""
    try:
        return _record(connection, _need(connection, plan_id))
    except DamagedError as error:
        raise NotAllowedError(str(error)) from error


def _lines(plan: Plan) -> tuple[LineMoney, ...]:
    return tuple(
        LineMoney(
            line=tuple(item.line[column] for column in plan.line_columns),
            current=to_minor(item.current, plan.currency),
            proposed=to_minor(item.proposed, plan.currency),
        )
        for item in plan.lines
    )


def _money(connection: Connection, plan_id: str) -> tuple[LineMoney, ...]:
    table = schema.plan_line
    query = select(table).where(table.c.plan_id == plan_id).order_by(table.c.position)
    return tuple(
        LineMoney(
            line=tuple(json.loads(row.line)), current=row.current_minor, proposed=row.proposed_minor
        )
        for row in connection.execute(query)
    )


def _insert(transaction: Transaction, plan: Plan, timezone: str) -> None:
    proposed = datetime.fromisoformat(transaction.at)
    expires = moment_text(end_of_window(plan.date, timezone, proposed))
    seq = transaction.record(
        NIGHT,
        "plan.proposed",
        plan.plan_id,
        {
            "portfolio": plan.portfolio,
            "day": plan.date.isoformat(),
            "content_hash": plan.content_hash,
            "caps_version": plan.caps_version,
            "mode": plan.mode.value,
            "expires_at": expires,
        },
    )
    transaction.connection.execute(
        insert(_TABLE).values(
            plan_id=plan.plan_id,
            portfolio=plan.portfolio,
            day=plan.date.isoformat(),
            currency=plan.currency,
            mode=plan.mode.value,
            content=plan.to_bytes(),
            content_hash=plan.content_hash,
            caps_version=plan.caps_version,
            status=Status.PROPOSED.value,
            proposed_seq=seq,
            proposed_at=transaction.at,
            expires_at=expires,
        )
    )
    rows = [
        {
            "plan_id": plan.plan_id,
            "position": position,
            "line": canonical_bytes(list(item.line)).decode(),
            "current_minor": item.current,
            "proposed_minor": item.proposed,
        }
        for position, item in enumerate(_lines(plan))
    ]
    if rows:
        transaction.connection.execute(insert(schema.plan_line), rows)


def _reopen(transaction: Transaction, plan: Plan, timezone: str) -> None:
    move = PLAN_MOVES["reopen"]
    expires = moment_text(
        end_of_window(plan.date, timezone, datetime.fromisoformat(transaction.at))
    )
    seq = transaction.record(NIGHT, move.audit, plan.plan_id, {"expires_at": expires})
    transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.plan_id == plan.plan_id, _TABLE.c.status.in_(move.before))
        .values(status=move.after, proposed_seq=seq, proposed_at=transaction.at, expires_at=expires)
    )


def _supersede_waiting(transaction: Transaction, plan: Plan) -> None:
    query = select(_TABLE).where(
        _TABLE.c.portfolio == plan.portfolio,
        _TABLE.c.day == plan.date.isoformat(),
        _TABLE.c.status == Status.PROPOSED.value,
        _TABLE.c.plan_id != plan.plan_id,
    )
    for row in transaction.connection.execute(query).all():
        _supersede(transaction, row.plan_id, plan.plan_id)


def _supersede(transaction: Transaction, plan_id: str, by: str) -> None:
    move = PLAN_MOVES["supersede"]
    transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.plan_id == plan_id, _TABLE.c.status.in_(move.before))
        .values(status=move.after)
    )
    transaction.record(NIGHT, move.audit, plan_id, {"by": by})


def _due(connection: Connection, at: str, portfolio: str | None) -> list[str]:
    query = select(_TABLE.c.plan_id).where(
        _TABLE.c.status == Status.PROPOSED.value, _TABLE.c.expires_at <= at
    )
    if portfolio is not None:
        query = query.where(_TABLE.c.portfolio == portfolio)
    return sorted(connection.execute(query).scalars())


def _expire_due(transaction: Transaction, portfolio: str | None) -> tuple[str, ...]:
    move = PLAN_MOVES["expire"]
    due = _due(transaction.connection, transaction.at, portfolio)
    for plan_id in due:
        transaction.connection.execute(
            update(_TABLE)
            .where(_TABLE.c.plan_id == plan_id, _TABLE.c.status.in_(move.before))
            .values(status=move.after)
        )
        transaction.record(NIGHT, move.audit, plan_id, {})
    return tuple(due)


def _check_waiting(record: PlanRecord, at: str) -> None:
    if record.status is Status.PROPOSED:
        if record.expires_at <= at:
            raise NotAllowedError(f"plan {record.plan_id} expired at {record.expires_at}")
        return
    by = f" by {record.decided_by} at {record.decided_at}" if record.decided_by else ""
    raise NotAllowedError(
        f"plan {record.plan_id} is {record.status.value}{by}, only a proposed plan can be decided; "
        "'equimarginal plans' lists what waits"
    )


def _check_hash(record: PlanRecord, expected_hash: str | None) -> None:
    if expected_hash is not None and expected_hash != record.content_hash:
        raise NotAllowedError(
            f"plan {record.plan_id}: its content is {record.content_hash}, "
            f"what was reviewed is {expected_hash}; read the report again"
        )


def _check_still_true(connection: Connection, record: PlanRecord) -> None:
    """Refuse a plan whose caps changed since, or that a later published day has overtaken."""
    plan = record.plan
    version = caps_version_of(connection, plan.portfolio, plan.date)
    if version != plan.caps_version:
        raise NotAllowedError(
            f"plan {plan.plan_id}: the caps in force on {plan.date} changed since it was made; "
            f"run 'equimarginal night --date {plan.date}' again"
        )
    newest = newest_published_day(connection, plan.portfolio)
    if newest is not None and plan.date < newest:
        raise NotAllowedError(
            f"plan {plan.plan_id}: is for {plan.date}, but the plan of {newest} is published; "
            "a past day cannot be signed any more"
        )


def _approve(transaction: Transaction, record: PlanRecord, actor: Actor, why: str) -> None:
    """Move to approved, and the day's plan that was approved before to superseded."""
    earlier = select(_TABLE.c.plan_id).where(
        _TABLE.c.portfolio == record.plan.portfolio,
        _TABLE.c.day == record.plan.date.isoformat(),
        _TABLE.c.status == Status.APPROVED.value,
    )
    for plan_id in transaction.connection.execute(earlier).scalars().all():
        _supersede(transaction, plan_id, record.plan_id)
    _move(transaction, record, "approve", actor, why)


def _move(
    transaction: Transaction, record: PlanRecord, action: str, actor: Actor, why: str
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
            "portfolio": record.plan.portfolio,
            "day": record.plan.date.isoformat(),
            "content_hash": record.content_hash,
            "caps_version": record.plan.caps_version,
            "why": why,
            "verified_by": actor.verified_by,
        },
    )
