"""Checks the ledger against itself with code of its own: every link, plan, cap and publication.

Nothing here calls what writes the chain. It reads rows as they are, recomputes every hash from
first principles, replays the history, and compares what the history says with what the tables say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, text

from pipeline.core.errors import DamagedError
from pipeline.core.money import minor_digits
from pipeline.io.ledger.audit import AuditHead
from pipeline.io.ledger.database import Database

_ZERO = "0" * 64
_PLAN_STATUS = {
    "plan.proposed": "proposed",
    "plan.approved": "approved",
    "plan.rejected": "rejected",
    "plan.expired": "expired",
    "plan.superseded": "superseded",
    "plan.revoked": "revoked",
    "plan.reopened": "proposed",
}
_CAP_STATUS = {
    "cap.proposed": "proposed",
    "cap.approved": "approved",
    "cap.rejected": "rejected",
    "cap.superseded": "superseded",
}
_PUBLICATION_STATUS = {
    "publication.publishing": "publishing",
    "publication.published": "published",
}
_DECISIONS = {"approved", "rejected", "revoked"}
_CAP_FACTS = (
    "portfolio",
    "scope",
    "currency",
    "min_minor",
    "max_minor",
    "fixed_minor",
    "valid_from",
    "expires",
    "proposed_by",
    "reason",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not hold, and the audit entry it concerns, if it is one."""

    seq: int | None
    subject: str
    message: str


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


@dataclass(slots=True)
class _History:
    """What the chain says should be in the tables."""

    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    caps: dict[str, dict[str, Any]] = field(default_factory=dict)
    publications: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    paused: dict[str, int] = field(default_factory=dict)


def verify_ledger(database: Database, head: AuditHead) -> Verification:
    """Walk the whole ledger and return every problem."""
    with database.read() as connection:
        entries = _rows(connection, "select * from audit order by seq")
        problems = list(_file_problems(connection, database))
        chain = list(_chain_problems(entries))
        problems += chain + list(_head_problems(entries, head))
        history = _History()
        if not chain:
            problems += _replay(entries, history)
        plans = _rows(connection, "select * from plan order by plan_id")
        caps = _rows(connection, "select * from cap order by cap_id")
        if not chain:
            problems += _plan_problems(connection, plans, history.plans)
            problems += _cap_problems(caps, history.caps)
            problems += _publication_problems(connection, history.publications)
            problems += _switch_problems(connection, history.paused)
    return Verification(
        entries=len(entries),
        plans=len(plans),
        caps=len(caps),
        head=entries[-1]["hash"] if entries else _ZERO,
        problems=tuple(problems),
    )


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(text(query))]


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
    if _canonical(payload) != entry["payload"]:
        return None
    return hashlib.sha256(b"\x00" + _canonical(content).encode("utf-8", "replace")).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _head_problems(entries: list[dict[str, Any]], head: AuditHead) -> Iterator[Problem]:
    """Yield a problem where the chain does not contain the link kept outside the database."""
    name = str(head.path)
    try:
        known = head.read()
    except DamagedError as error:
        yield Problem(seq=None, subject=name, message=str(error))
        return
    if known is None:
        yield Problem(seq=None, subject=name, message="missing, so a cut tail could not be told")
        return
    seq, digest = known
    if seq > len(entries):
        message = f"missing: the audit head knows {seq} entries, the ledger has {len(entries)}"
        yield Problem(seq=len(entries) + 1, subject="ledger", message=message)
    elif seq < 1 or entries[seq - 1]["hash"] != digest:
        yield Problem(seq=seq, subject="ledger", message="is not the entry the audit head knows")


def _replay(entries: list[dict[str, Any]], history: _History) -> Iterator[Problem]:
    """Follow the history; yield entries that could not have happened."""
    for entry in entries:
        action, subject = entry["action"], entry["subject"]
        payload = json.loads(entry["payload"])
        if action in _PLAN_STATUS:
            known = _follow(history.plans, subject, entry, payload, action == "plan.proposed")
            status = _PLAN_STATUS[action]
        elif action in _CAP_STATUS:
            known = _follow(history.caps, subject, entry, payload, action == "cap.proposed")
            status = _CAP_STATUS[action]
        elif action in _PUBLICATION_STATUS:
            key = (subject, str(payload.get("target")))
            known = _follow(
                history.publications, key, entry, payload, action == "publication.publishing"
            )
            status = _PUBLICATION_STATUS[action]
        else:
            if action in {"publishing.paused", "publishing.resumed"}:
                history.paused[subject] = int(action == "publishing.paused")
            continue
        if known is None:
            message = f"{action}: there is nothing it could be about, or twice"
            yield Problem(seq=entry["seq"], subject=subject, message=message)
            continue
        known["status"] = status
        if status in _DECISIONS:
            known |= {"decided_by": entry["actor"], "decided_seq": entry["seq"]}


def _follow(
    known: dict[Any, dict[str, Any]],
    key: Any,
    entry: Mapping[str, Any],
    payload: Mapping[str, Any],
    begins: bool,
) -> dict[str, Any] | None:
    """Return the record that an entry is about; a first entry makes it, a second one may not."""
    if begins == (key in known):
        return None
    if begins:
        known[key] = {
            **payload,
            "status": "",
            "seq": entry["seq"],
            "actor": entry["actor"],
            "decided_by": "",
            "decided_seq": 0,
        }
    else:
        known[key]["seq"] = entry["seq"]
    return known[key]


def _plan_problems(
    connection: Connection, plans: list[dict[str, Any]], history: Mapping[str, dict[str, Any]]
) -> Iterator[Problem]:
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(connection, "select * from plan_line order by plan_id, position"):
        lines.setdefault(row["plan_id"], []).append(row)
    yield from _both(history, {row["plan_id"] for row in plans}, "plan")
    for row in plans:
        plan_id = row["plan_id"]
        said = history.get(plan_id)
        if said is None:
            continue
        for message in _plan_messages(row, said, lines.get(plan_id, [])):
            yield Problem(seq=said["seq"], subject=plan_id, message=message)


def _plan_messages(
    row: Mapping[str, Any], said: Mapping[str, Any], lines: list[dict[str, Any]]
) -> Iterator[str]:
    stored = row["content"]
    content = stored.encode() if isinstance(stored, str) else bytes(stored)
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    if not digest == row["content_hash"] == said.get("content_hash"):
        yield "its content is not what was proposed"
        return
    plan = json.loads(content)
    stated = {"portfolio": plan["portfolio"], "day": plan["date"], "mode": plan["mode"]}
    stated |= {"currency": plan["currency"], "caps_version": plan["caps_version"]}
    for name, value in stated.items():
        if row[name] != value or said.get(name, value) != value:
            yield f"its {name} is {row[name]!r}, its content says {value!r}"
    if row["status"] != said["status"]:
        yield f"its status is {row['status']}, its history says {said['status']}"
    if row["decided_by"] != said["decided_by"]:
        yield f"decided by {row['decided_by']!r}, its history says {said['decided_by']!r}"
    money = [(row["line"], row["current_minor"], row["proposed_minor"]) for row in lines]
    if money != _money(plan):
        yield "its amounts are not those of its content"


def _money(plan: Mapping[str, Any]) -> list[tuple[str, int, int]] | None:
    scale = Decimal(10) ** minor_digits(plan["currency"])
    try:
        return [
            (
                _canonical([item["line"][column] for column in plan["line_columns"]]),
                round(Decimal(str(item["current"])) * scale),
                round(Decimal(str(item["proposed"])) * scale),
            )
            for item in plan["lines"]
        ]
    except (InvalidOperation, KeyError, ValueError):
        return None


def _cap_problems(
    caps: list[dict[str, Any]], history: Mapping[str, dict[str, Any]]
) -> Iterator[Problem]:
    yield from _both(history, {row["cap_id"] for row in caps}, "cap")
    for row in caps:
        said = history.get(row["cap_id"])
        if said is None:
            continue
        for name in (*_CAP_FACTS, "status", "decided_by", "decided_seq"):
            if row[name] != said.get(name):
                message = f"its {name} is {row[name]!r}, its history says {said.get(name)!r}"
                yield Problem(seq=said["seq"], subject=row["cap_id"], message=message)


def _publication_problems(
    connection: Connection, history: Mapping[tuple[str, str], dict[str, Any]]
) -> Iterator[Problem]:
    rows = _rows(connection, "select * from publication order by plan_id, target")
    yield from _both(history, {(row["plan_id"], row["target"]) for row in rows}, "publication")
    wrong = connection.execute(
        text(
            "select count(*) from publication_row r join plan_line l "
            "on l.plan_id = r.plan_id and l.position = r.position "
            "where r.amount_minor <> l.proposed_minor"
        )
    ).scalar()
    if wrong:
        message = f"{wrong} published amounts are not those of their plan"
        yield Problem(seq=None, subject="publication_row", message=message)
    for row in rows:
        said = history.get((row["plan_id"], row["target"]))
        for name in ("status", "content_hash"):
            if said is not None and row[name] != said.get(name):
                message = f"publication: its {name} is {row[name]}, not what its history says"
                yield Problem(seq=said["seq"], subject=row["plan_id"], message=message)


def _switch_problems(connection: Connection, paused: Mapping[str, int]) -> Iterator[Problem]:
    rows = {row["portfolio"]: row["paused"] for row in _rows(connection, "select * from switch")}
    for portfolio in sorted(rows.keys() | paused.keys()):
        if rows.get(portfolio, 0) != paused.get(portfolio, 0):
            message = "the kill switch is not as its history says"
            yield Problem(seq=None, subject=portfolio, message=message)


def _both(history: Mapping[Any, dict[str, Any]], stored: set[Any], what: str) -> Iterator[Problem]:
    """Yield what is in the tables or in the history, but not in both."""
    for key in sorted(history.keys() - stored):
        yield Problem(
            seq=history[key]["seq"], subject=str(key), message=f"{what}: gone from the ledger"
        )
    for key in sorted(stored - history.keys()):
        yield Problem(seq=None, subject=str(key), message=f"{what}: nobody ever proposed it")
