"""Caps as rows: what is in force, how they are stored and moved along."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from pipeline.core.canonical import canonical_bytes, content_hash
from pipeline.core.caps import Cap, CapStatus
from pipeline.core.errors import ConfigError, NotFoundError, UsageError
from pipeline.core.money import from_minor, minor_digits, to_minor
from pipeline.core.policy import CapSpec, Policy
from pipeline.core.types import scope_label
from pipeline.io.ledger import schema
from pipeline.io.ledger.audit import printable
from pipeline.io.ledger.base import Transaction
from pipeline.io.ledger.identity import POLICY_FILE
from pipeline.io.ledger.records import Actor
from pipeline.io.ledger.states import CAP_MOVES

_TABLE = schema.cap
_AMOUNTS = ("min", "max", "fixed")


def caps_in_force_of(connection: Connection, portfolio: str, day: date) -> tuple[Cap, ...]:
    """Return the caps that bind plans for `day`, ordered by scope."""
    binding: dict[str, Cap] = {}
    for cap in read_caps(connection, portfolio):
        scope = canonical_bytes(cap.scope).decode()
        if cap.in_force(day) and cap.decided_seq > _order(binding.get(scope)):
            binding[scope] = cap
    return tuple(binding[scope] for scope in sorted(binding))


def caps_version_of(connection: Connection, portfolio: str, day: date) -> str:
    """Return the hash over the caps in force on `day`."""
    columns = (_TABLE.c.cap_id, _TABLE.c.min_minor, _TABLE.c.max_minor, _TABLE.c.fixed_minor)
    amounts = {
        row.cap_id: [row.min_minor, row.max_minor, row.fixed_minor]
        for row in connection.execute(select(*columns).where(_TABLE.c.portfolio == portfolio))
    }
    in_force = caps_in_force_of(connection, portfolio, day)
    return content_hash([[cap.id, cap.scope, *amounts[cap.id]] for cap in in_force])


def held_scopes_of(connection: Connection, policy: Policy, day: date) -> tuple[dict[str, str], ...]:
    """Return the scopes that wait for their first approved cap on `day`."""
    caps = read_caps(connection, policy.portfolio)
    held = []
    for spec in policy.caps:
        approved = [
            cap for cap in caps if cap.scope == spec.scope and cap.status is CapStatus.APPROVED
        ]
        is_limited = any(cap.in_force(day) for cap in approved)
        ran_out = any(cap.expires is not None and cap.expires < day for cap in approved)
        if not (is_limited or ran_out) and _covers(spec, day):
            held.append(dict(spec.scope))
    return tuple(held)


def signers_of_caps(connection: Connection, portfolio: str, day: date) -> frozenset[str]:
    """Return who approved the caps in force on `day`."""
    return frozenset(cap.decided_by for cap in caps_in_force_of(connection, portfolio, day))


def _covers(spec: CapSpec, day: date) -> bool:
    return (spec.valid_from is None or spec.valid_from <= day) and (
        spec.expires is None or day <= spec.expires
    )


def stored_values(spec: CapSpec, currency: str) -> dict[str, Any]:
    """Return a cap's stored values: canonical scope, whole minor units, ISO days."""
    values: dict[str, Any] = {"scope": canonical_bytes(spec.scope).decode()}
    for name in _AMOUNTS:
        amount = getattr(spec, name)
        minor = None if amount is None else to_minor(amount, currency)
        if minor is not None and from_minor(minor, currency) != amount:
            raise ConfigError(
                f"cap on {scope_label(spec.scope)}: {name} is {amount!r}, "
                f"{currency} has {minor_digits(currency)} decimals"
            )
        values[f"{name}_minor"] = minor
    values["valid_from"] = spec.valid_from.isoformat() if spec.valid_from else ""
    values["expires"] = spec.expires.isoformat() if spec.expires else ""
    return values


def policy_changes(
    connection: Connection, policy: Policy, wanted: list[tuple[CapSpec, dict[str, Any]]]
) -> list[tuple[str | None, dict[str, Any] | None]]:
    """Return, per scope, the waiting proposal to withdraw and the values to propose."""
    query = (
        select(_TABLE)
        .where(_TABLE.c.portfolio == policy.portfolio, _TABLE.c.proposed_by == POLICY_FILE)
        .order_by(_TABLE.c.proposed_seq)
    )
    newest = {row.scope: row for row in connection.execute(query)}
    stated = {values["scope"]: values for _, values in wanted}
    changes: list[tuple[str | None, dict[str, Any] | None]] = []
    for scope in sorted(newest.keys() | stated.keys()):
        row, values = newest.get(scope), stated.get(scope)
        waiting = row.cap_id if row is not None and row.status == CapStatus.PROPOSED else None
        withdrawn = row is not None and row.status == CapStatus.SUPERSEDED and not row.decided_by
        same = row is not None and values is not None and _same(row, values) and not withdrawn
        if not same and (values is not None or waiting is not None):
            changes.append((waiting, values))
    return changes


def _same(row: Row[Any], values: Mapping[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in values.items())


def insert_cap(
    transaction: Transaction,
    policy: Policy,
    values: dict[str, Any],
    actor: Actor,
    reason: str,
    impact: str = "",
) -> str:
    """Store a proposal; its id depends on what it says and on how many the scope had before."""
    earlier = transaction.connection.execute(
        select(func.count())
        .select_from(_TABLE)
        .where(_TABLE.c.portfolio == policy.portfolio, _TABLE.c.scope == values["scope"])
    ).scalar_one()
    facts = {
        "portfolio": policy.portfolio,
        "currency": policy.currency,
        **values,
        "proposed_by": actor.name,
    }
    cap_id = "cap-" + content_hash([facts, earlier]).removeprefix("sha256:")[:8]
    said = {"reason": printable(reason), "impact": printable(impact)}
    seq = transaction.record(actor.name, "cap.proposed", cap_id, {**facts, **said})
    transaction.connection.execute(
        insert(_TABLE).values(
            cap_id=cap_id,
            **facts,
            status=CapStatus.PROPOSED.value,
            proposed_seq=seq,
            proposed_at=transaction.at,
            **said,
        )
    )
    return cap_id


def read_caps(connection: Connection, portfolio: str) -> tuple[Cap, ...]:
    """Return every cap of the portfolio, oldest first."""
    query = select(_TABLE).where(_TABLE.c.portfolio == portfolio).order_by(_TABLE.c.proposed_seq)
    return tuple(_cap(row) for row in connection.execute(query))


def _cap(row: Row[Any]) -> Cap:
    amounts = {
        name: None if minor is None else from_minor(minor, row.currency)
        for name, minor in zip(
            _AMOUNTS, (row.min_minor, row.max_minor, row.fixed_minor), strict=True
        )
    }
    days = {
        name: date.fromisoformat(text) if text else None
        for name, text in (
            ("valid_from", row.valid_from),
            ("expires", row.expires),
        )
    }
    return Cap(
        id=row.cap_id,
        scope=json.loads(row.scope),
        **amounts,
        **days,
        status=CapStatus(row.status),
        proposed_by=row.proposed_by,
        reason=row.reason,
        impact=row.impact,
        decided_by=row.decided_by,
        decided_seq=row.decided_seq,
    )


def find_cap(connection: Connection, ref: str, portfolio: str) -> Cap:
    """Return the cap of an id or of a unique beginning of one."""
    matches = [cap for cap in read_caps(connection, portfolio) if ref and cap.id.startswith(ref)]
    exact = [cap for cap in matches if cap.id == ref]
    if exact or len(matches) == 1:
        return (exact or matches)[0]
    if matches:
        names = ", ".join(cap.id for cap in matches[:5])
        raise UsageError(f"cap {ref}: {len(matches)} caps begin so ({names}); give more of the id")
    raise NotFoundError(f"cap {ref!r}: no such cap; 'equimarginal caps' lists them")


def supersede_covered(transaction: Transaction, cap: Cap, portfolio: str, actor: Actor) -> None:
    """Supersede the scope's approved caps that cover no day beyond the new one's."""
    for old in read_caps(transaction.connection, portfolio):
        same = old.scope == cap.scope and old.status is CapStatus.APPROVED
        starts_later = cap.valid_from is None or (
            old.valid_from is not None and cap.valid_from <= old.valid_from
        )
        ends_earlier = cap.expires is None or (
            old.expires is not None and old.expires <= cap.expires
        )
        if same and starts_later and ends_earlier:
            supersede_cap(transaction, old.id, actor.name, {"by": cap.id})


def supersede_cap(
    transaction: Transaction, cap_id: str, actor: str, payload: dict[str, Any]
) -> None:
    """Mark a cap as replaced or withdrawn."""
    move = CAP_MOVES["supersede"]
    transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.cap_id == cap_id, _TABLE.c.status.in_(move.before))
        .values(status=move.after)
    )
    transaction.record(actor, move.audit, cap_id, payload)


def decide_cap(transaction: Transaction, cap: Cap, action: str, actor: Actor, why: str) -> None:
    """Compare-and-set the status and record who decided."""
    move = CAP_MOVES[action]
    seq = transaction.record(
        actor.name, move.audit, cap.id, {"why": why, "verified_by": actor.verified_by}
    )
    transaction.connection.execute(
        update(_TABLE)
        .where(_TABLE.c.cap_id == cap.id, _TABLE.c.status.in_(move.before))
        .values(
            status=move.after,
            decided_by=actor.name,
            decided_seq=seq,
            decided_at=transaction.at,
            why=why,
        )
    )


def _order(cap: Cap | None) -> int:
    return -1 if cap is None else cap.decided_seq
