"""What every part of the ledger stands on: transactions that leave an audit entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from pipeline.core.clock import Clock
from pipeline.core.errors import NotAllowedError, StorageError
from pipeline.io.ledger.audit import AuditHead, append_entry
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.records import Actor

SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""


@dataclass(slots=True)
class Transaction:
    """The one writer's connection, the moment, and what it added to the audit chain."""

    connection: Connection
    at: str
    head: tuple[int, str] | None = field(default=None)

    def record(self, actor: str, action: str, subject: str, payload: dict[str, Any]) -> int:
        """Add an audit entry to this transaction and return its sequence number."""
        self.head = append_entry(
            self.connection,
            at=self.at,
            actor=actor,
            action=action,
            subject=subject,
            payload=payload,
        )
        return self.head[0]


class LedgerBase:
    """The database, the clock, and the two ways to write."""

    def __init__(self, database: Database, clock: Clock, head: AuditHead) -> None:
        self._database = database
        self._clock = clock
        self._head = head

    def now(self) -> str:
        """Return the clock's moment the way the ledger stores it."""
        return moment_text(self._clock())

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        """Give a transaction; once committed, its newest audit link goes into the head file."""
        with self._database.write() as connection:
            transaction = Transaction(connection, self.now())
            yield transaction
        if transaction.head is None:
            return
        try:
            self._head.write(*transaction.head)
        except StorageError as error:
            raise StorageError(
                f"{error}; the ledger itself did record this: look before you try again"
            ) from error

    @contextmanager
    def _deciding(self, actor: Actor, action: str, subject: str) -> Iterator[Transaction]:
        """Give a transaction in which a refusal undoes the work but is itself recorded.

        Raises:
            NotAllowedError: what the work raised, after the attempt was recorded.
        """
        refusal: NotAllowedError | None = None
        with self._writing() as transaction:
            undo = transaction.connection.begin_nested()
            head = transaction.head
            try:
                yield transaction
            except NotAllowedError as error:
                undo.rollback()
                transaction.head = head
                refusal = error
                _record_denied(transaction, actor.name, action, subject, str(error))
            else:
                undo.commit()
        if refusal is not None:
            raise refusal

    def record_denied(self, actor: str, action: str, subject: str, why: str) -> None:
        """Record an attempt that was refused before it reached the ledger."""
        with self._writing() as transaction:
            _record_denied(transaction, actor, action, subject, why)


def _record_denied(
    transaction: Transaction, actor: str, action: str, subject: str, why: str
) -> None:
    transaction.record(actor, "denied", subject, {"attempt": action, "why": why})


def moment_text(moment: datetime) -> str:
    """Return a moment as fixed-width ISO text in UTC, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def refuse_clock_behind(name: str, at: str, since: str, what: str) -> None:
    """Refuse to act at a moment that lies before what it follows on; machines may differ a little.

    Raises:
        NotAllowedError: the clock shows more than `SKEW` before the moment `since`.
    """
    if datetime.fromisoformat(at) + SKEW < datetime.fromisoformat(since):
        raise NotAllowedError(
            f"{name}: this machine's clock shows {at}, but the plan was {what} at {since}; set the "
            "clock, or make the plan again if the clock was ahead then"
        )
