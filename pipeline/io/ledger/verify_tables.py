"""What the tables say, held against the history: plans, amounts, caps, publications, the switch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from pipeline.core.errors import PipelineError
from pipeline.core.money import minor_digits
from pipeline.io.ledger.verify_history import History, Problem

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
    "impact",
)
_NO_PLAN = (
    ArithmeticError, AttributeError, LookupError, PipelineError, TypeError, ValueError,
)  # fmt: skip
_LATER_FACTS = {"impact": ""}  # what an entry means that is older than the column


def table_problems(connection: Connection, history: History) -> Iterator[Problem]:
    """Yield everything in the tables that is not as the history says."""
    plans = stored_rows(connection, "select * from plan order by plan_id")
    yield from _plan_problems(connection, plans, history.plans)
    caps = stored_rows(connection, "select * from cap order by cap_id")
    yield from _cap_problems(caps, history.caps)
    yield from _publication_problems(connection, history.publications)
    yield from _switch_problems(connection, history.paused)


def stored_rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    """Return rows as they are stored."""
    return [dict(row._mapping) for row in connection.execute(text(query))]


def canonical_text(value: Any) -> str:
    """Return the canonical JSON of a value, by this verifier's own reading of the rules."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plan_problems(
    connection: Connection, plans: list[dict[str, Any]], history: Mapping[str, dict[str, Any]]
) -> Iterator[Problem]:
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in stored_rows(connection, "select * from plan_line order by plan_id, position"):
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
    try:
        plan = json.loads(content)
        stated, amounts = _facts(plan), _money(plan)
    except _NO_PLAN:
        yield "its content is no plan"
        return
    for name, value in stated.items():
        if row[name] != value or said.get(name, value) != value:
            yield f"its {name} is {row[name]!r}, its content says {value!r}"
    if row["status"] != said["status"]:
        yield f"its status is {row['status']}, its history says {said['status']}"
    if row["decided_by"] != said["decided_by"]:
        yield f"decided by {row['decided_by']!r}, its history says {said['decided_by']!r}"
    money = [(row["line"], row["current_minor"], row["proposed_minor"]) for row in lines]
    if money != amounts:
        yield "its amounts are not those of its content"


def _facts(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the columns of a plan repeat of its content."""
    rules = plan["caps_version"] if "caps_version" in plan else plan["rules_version"]
    return {
        "portfolio": plan["portfolio"],
        "day": plan["date"],
        "mode": plan["mode"],
        "currency": plan["currency"],
        "caps_version": rules,
        "kind": plan.get("kind", "budget"),
    }


def _money(plan: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    digits = plan["digits"] if "kind" in plan else minor_digits(plan["currency"])
    scale = Decimal(10) ** digits
    return [
        (
            canonical_text([item["line"][column] for column in plan["line_columns"]]),
            round(Decimal(str(item["current"])) * scale),
            round(Decimal(str(item["proposed"])) * scale),
        )
        for item in plan["lines"]
    ]


def _cap_problems(
    caps: list[dict[str, Any]], history: Mapping[str, dict[str, Any]]
) -> Iterator[Problem]:
    yield from _both(history, {row["cap_id"] for row in caps}, "cap")
    for row in caps:
        said = history.get(row["cap_id"])
        if said is None:
            continue
        for name in (*_CAP_FACTS, "status", "decided_by", "decided_seq"):
            stated = said.get(name, _LATER_FACTS.get(name))
            if row[name] != stated:
                message = f"its {name} is {row[name]!r}, its history says {stated!r}"
                yield Problem(seq=said["seq"], subject=row["cap_id"], message=message)


def _publication_problems(
    connection: Connection, history: Mapping[tuple[str, str], dict[str, Any]]
) -> Iterator[Problem]:
    rows = stored_rows(connection, "select * from publication order by plan_id, target")
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
    rows = {
        row["portfolio"]: row["paused"] for row in stored_rows(connection, "select * from switch")
    }
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
