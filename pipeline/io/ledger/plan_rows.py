"""Plans as rows: how they are found, read, written and moved along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, insert, select, update

from pipeline.core.canonical import canonical_bytes
from pipeline.core.decision import Document, read_document
from pipeline.core.errors import NotAllowedError, NotFoundError, UsageError
from pipeline.core.kinds import KINDS
from pipeline.core.plan import Kind, Status
from pipeline.io.ledger import schema
from pipeline.io.ledger.base import Transaction, moment_text
from pipeline.io.ledger.identity import NIGHT
from pipeline.io.ledger.publications import read_destinations, read_publication
from pipeline.io.ledger.records import AlteredError, LineMoney, PlanRecord
from pipeline.io.ledger.states import PLAN_MOVES

_TABLE = schema.plan
LATEST = "latest"
_LATEST_OF = {
    LATEST: Kind.BUDGET,
    **{f"{LATEST}-{kind.value}": kind for kind in Kind if kind is not Kind.BUDGET},
}


def end_of_window(day: date, timezone: str, proposed: datetime) -> datetime:
    """Return until when a plan may be signed: its day's end, but a day at least."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(timezone))
    return max(midnight.astimezone(UTC), proposed.astimezone(UTC) + timedelta(hours=24))


def find_plan(connection: Connection, ref: str, portfolio: str | None) -> Row[Any]:
    """Return the row of an id, of a unique beginning of one, or of the latest plan of a kind.

    `latest` is the newest plan of budgets, `latest-rotation` the newest rotation, and so on.
    """
    query = select(_TABLE)
    if portfolio is not None:
        query = query.where(_TABLE.c.portfolio == portfolio)
    if (kind := _LATEST_OF.get(ref)) is not None:
        newest = query.where(_TABLE.c.kind == kind.value).order_by(_TABLE.c.proposed_seq.desc())
        row = connection.execute(newest.limit(1)).first()
        if row is None:
            raise NotFoundError(f"no plan yet; run 'equimarginal {KINDS[kind].command}' first")
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


def plan_row(connection: Connection, plan_id: str) -> Row[Any] | None:
    """Return the row of an id, None where there is none."""
    return connection.execute(select(_TABLE).where(_TABLE.c.plan_id == plan_id)).first()


def stored_plan(connection: Connection, plan_id: str) -> PlanRecord:
    """Return the plan of an id that must be there."""
    row = plan_row(connection, plan_id)
    if row is None:
        raise NotFoundError(f"plan {plan_id}: no such plan; 'equimarginal plans' lists them")
    return read_record(connection, row)


def read_record(connection: Connection, row: Row[Any]) -> PlanRecord:
    """Return the stored plan, its bytes checked against their hash and its lines."""
    content = _bytes(row.content)
    money = _money(connection, row.plan_id)
    if "sha256:" + hashlib.sha256(content).hexdigest() != row.content_hash:
        raise _damaged(row.plan_id, "its content does not match its hash")
    plan = read_document(json.loads(content)).with_status(Status(row.status))
    if money != _lines(plan) or _key(plan) != (row.plan_id, row.portfolio, row.day, row.kind):
        raise _damaged(row.plan_id, "its rows do not match its content")
    lines = [item.line for item in money]
    return PlanRecord(
        document=plan,
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
        publication=read_publication(connection, row.plan_id, lines),
        destinations=read_destinations(connection, row.plan_id, lines),
    )


def _bytes(stored: Any) -> bytes:
    """Return the stored content; an edit may have left text where there were bytes."""
    return stored.encode("utf-8") if isinstance(stored, str) else bytes(stored)


def _damaged(plan_id: str, what: str) -> AlteredError:
    return AlteredError(
        f"plan {plan_id}: {what}; it was altered after it was stored: "
        "run 'equimarginal audit verify'"
    )


def undamaged_plan(connection: Connection, plan_id: str) -> PlanRecord:
    """Return the stored plan; a person must not sign one that was altered."""
    try:
        return stored_plan(connection, plan_id)
    except AlteredError as error:
        raise NotAllowedError(str(error)) from error


def _key(plan: Document) -> tuple[str, str, str, str]:
    return plan.plan_id, plan.portfolio, plan.date.isoformat(), plan.kind.value


def _lines(plan: Document) -> tuple[LineMoney, ...]:
    return tuple(
        LineMoney(line=line, current=current, proposed=proposed)
        for line, current, proposed in plan.amounts()
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


def insert_plan(transaction: Transaction, plan: Document, timezone: str) -> None:
    """Store a proposed plan with its lines."""
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
            "kind": plan.kind.value,
            "expires_at": expires,
        },
    )
    transaction.connection.execute(
        insert(_TABLE).values(
            plan_id=plan.plan_id,
            portfolio=plan.portfolio,
            day=plan.date.isoformat(),
            kind=plan.kind.value,
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


def reopen_plan(transaction: Transaction, plan: Document, timezone: str) -> None:
    """Propose again a plan that nobody decided, with a new window."""
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


def supersede_waiting(transaction: Transaction, plan: Document) -> None:
    """Supersede the day's other plans that wait for a decision."""
    query = select(_TABLE).where(
        _TABLE.c.portfolio == plan.portfolio,
        _TABLE.c.day == plan.date.isoformat(),
        _TABLE.c.kind == plan.kind.value,
        _TABLE.c.status == Status.PROPOSED.value,
        _TABLE.c.plan_id != plan.plan_id,
    )
    for row in transaction.connection.execute(query).all():
        supersede_plan(transaction, row.plan_id, plan.plan_id)


def supersede_plan(transaction: Transaction, plan_id: str, by: str) -> None:
    """Mark a plan as replaced by another."""
    move = PLAN_MOVES["supersede"]
    transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.plan_id == plan_id, _TABLE.c.status.in_(move.before))
        .values(status=move.after)
    )
    transaction.record(NIGHT, move.audit, plan_id, {"by": by})


def due_plans(connection: Connection, at: str, portfolio: str | None) -> list[str]:
    """Return the ids of waiting plans whose time is over."""
    query = select(_TABLE.c.plan_id).where(
        _TABLE.c.status == Status.PROPOSED.value, _TABLE.c.expires_at <= at
    )
    if portfolio is not None:
        query = query.where(_TABLE.c.portfolio == portfolio)
    return sorted(connection.execute(query).scalars())


def expire_due_plans(transaction: Transaction, portfolio: str | None) -> tuple[str, ...]:
    """Mark every waiting plan whose time is over, and return their ids."""
    move = PLAN_MOVES["expire"]
    due = due_plans(transaction.connection, transaction.at, portfolio)
    for plan_id in due:
        transaction.connection.execute(
            update(_TABLE)
            .where(_TABLE.c.plan_id == plan_id, _TABLE.c.status.in_(move.before))
            .values(status=move.after)
        )
        transaction.record(NIGHT, move.audit, plan_id, {})
    return tuple(due)
