"""Checks the ledger against itself with code of its own: every link, plan, cap and publication.

Nothing here calls what writes the chain. It reads rows as they are, recomputes every hash from
first principles, replays the history, and compares what the history says with what the tables say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from pipeline.core.errors import DamagedError
from pipeline.io.ledger.audit import AuditHead
from pipeline.io.ledger.database import Database
from pipeline.io.ledger.verify_history import History, Problem, replay
from pipeline.io.ledger.verify_tables import canonical_text, stored_rows, table_problems

_ZERO = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was checked, and every problem; the first is the first broken entry."""

    entries: int
    plans: int
    caps: int
    head: str
    problems: tuple[Problem, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was altered."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "ok": self.is_sound,
            "entries": self.entries,
            "plans": self.plans,
            "caps": self.caps,
            "head": self.head,
            "problems": [
                {"seq": item.seq, "subject": item.subject, "message": item.message}
                for item in self.problems
            ],
        }


def verify_ledger(database: Database, head: AuditHead) -> Verification:
    """Walk the whole ledger and return every problem."""
    known = _known_outside(head)  # first: what is written meanwhile reaches the ledger first
    with database.read() as connection:
        entries = stored_rows(connection, "select * from audit order by seq")
        problems = list(_file_problems(connection, database))
        chain = list(_chain_problems(entries))
        problems += chain + list(_head_problems(entries, known))
        if not chain:  # a broken chain says nothing about the tables
            history = History()
            problems += replay(entries, history)
            problems += table_problems(connection, history)
        plans = connection.execute(text("select count(*) from plan")).scalar_one()
        caps = connection.execute(text("select count(*) from cap")).scalar_one()
    return Verification(
        entries=len(entries),
        plans=plans,
        caps=caps,
        head=entries[-1]["hash"] if entries else _ZERO,
        problems=tuple(problems),
    )


def _file_problems(connection: Connection, database: Database) -> Iterator[Problem]:
    if not database.is_sqlite:
        return
    for (answer,) in connection.exec_driver_sql("pragma integrity_check(5)").all():
        if answer != "ok":
            yield Problem(seq=None, subject="ledger", message=f"the file is damaged: {answer}")
    for row in connection.exec_driver_sql("pragma foreign_key_check").all()[:5]:
        yield Problem(seq=None, subject=str(row[0]), message="a row refers to nothing")


def _chain_problems(entries: list[dict[str, Any]]) -> Iterator[Problem]:
    """Yield every entry whose number, link or hash is wrong."""
    before = _ZERO
    for expected, entry in enumerate(entries, start=1):
        seq, subject = entry["seq"], str(entry["subject"])
        if seq != expected:
            yield Problem(seq=expected, subject=subject, message=f"missing; next is entry {seq}")
            return
        if entry["prev_hash"] != before:
            yield Problem(seq=seq, subject=subject, message="does not follow the entry before it")
        digest = _digest(entry)
        if digest is None:
            yield Problem(seq=seq, subject=subject, message="its content cannot be read")
        elif digest != entry["hash"]:
            yield Problem(seq=seq, subject=subject, message="its content does not match its hash")
        before = entry["hash"]


def _digest(entry: Mapping[str, Any]) -> str | None:
    try:
        payload = json.loads(entry["payload"])
    except (ValueError, TypeError):
        return None
    names = ("seq", "at", "actor", "action", "subject", "prev_hash")
    content = {**{name: entry[name] for name in names}, "payload": payload}
    if canonical_text(payload) != entry["payload"]:
        return None
    return hashlib.sha256(b"\x00" + canonical_text(content).encode("utf-8", "replace")).hexdigest()


def _known_outside(head: AuditHead) -> tuple[int, str] | Problem:
    """Return the link kept outside the database, or what is wrong with it."""
    name = str(head.path)
    try:
        known = head.read()
    except DamagedError as error:
        return Problem(seq=None, subject=name, message=str(error))
    missing = "missing, so a cut tail could not be told"
    return Problem(seq=None, subject=name, message=missing) if known is None else known


def _head_problems(
    entries: list[dict[str, Any]], known: tuple[int, str] | Problem
) -> Iterator[Problem]:
    """Yield a problem where the chain does not contain the link kept outside the database."""
    if isinstance(known, Problem):
        yield known
        return
    seq, digest = known
    if seq > len(entries):
        message = f"missing: the audit head knows {seq} entries, the ledger has {len(entries)}"
        yield Problem(seq=len(entries) + 1, subject="ledger", message=message)
    elif seq < 1 or entries[seq - 1]["hash"] != digest:
        yield Problem(seq=seq, subject="ledger", message="is not the entry the audit head knows")
