"""Experiments in the audit chain: who is treated, before it starts, and every look at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from pipeline.core.errors import NotAllowedError, NotFoundError
from pipeline.core.policy import Policy
from pipeline.io.ledger import schema
from pipeline.io.ledger.base import LedgerBase, moment_text
from pipeline.io.ledger.identity import require_person
from pipeline.io.ledger.records import Actor

_ASSIGNED = "experiment.assigned"
_LOOKED = "experiment.looked"
_ENDED = "experiment.ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRecord:
    """One experiment as the audit chain tells it.

    Attributes:
        assigned_at: moment, before the first day.
        assignment: what was recorded then; it never changes.
        looks: at the result, in order; what each showed.
        ended: last day of one that was ended by hand; empty otherwise.
    """

    name: str
    assigned_at: str
    assigned_by: str
    assignment: dict[str, Any]
    looks: tuple[dict[str, Any], ...] = ()
    ended: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "name": self.name,
            "assigned_at": self.assigned_at,
            "assigned_by": self.assigned_by,
            **self.assignment,
            "looks": list(self.looks),
            **({"ended": self.ended} if self.ended else {}),
        }


class ExperimentBook(LedgerBase):
    """Assignments and looks, which are entries of the audit chain and nothing else."""

    def record_assignment(
        self, name: str, assignment: Mapping[str, Any], actor: Actor, policy: Policy
    ) -> ExperimentRecord:
        """Record who is treated; an experiment is assigned once.

        Raises:
            NotAllowedError: the name is taken, or the person has no role; recorded.
        """
        subject = f"{policy.portfolio}/{name}"
        with self._deciding(actor, "assign experiment", subject) as transaction:
            require_person(policy, actor, "assign an experiment")
            if _read(transaction.connection, policy.portfolio).get(name):
                raise NotAllowedError(
                    f"experiment {name!r}: assigned already, once and for all; use another name"
                )
            transaction.record(actor.name, _ASSIGNED, subject, dict(assignment))
            return _read(transaction.connection, policy.portfolio)[name]

    def record_look(self, name: str, look: Mapping[str, Any], actor: Actor, policy: Policy) -> None:
        """Record that somebody looked at the result, and what it showed.

        Raises:
            NotAllowedError: the person has no role; recorded.
        """
        subject = f"{policy.portfolio}/{name}"
        with self._deciding(actor, "read experiment", subject) as transaction:
            require_person(policy, actor, "read an experiment")
            transaction.record(actor.name, _LOOKED, subject, dict(look))

    def record_scheduled_look(self, name: str, look: Mapping[str, Any], policy: Policy) -> None:
        """Record the read-out of a whole test on the day that its assignment had set."""
        with self._writing() as transaction:
            transaction.record("schedule", _LOOKED, f"{policy.portfolio}/{name}", dict(look))

    def record_end(
        self, name: str, day: str, why: str, actor: Actor, policy: Policy
    ) -> ExperimentRecord:
        """Record that an experiment or holdout ends after `day`.

        Raises:
            NotAllowedError: it has ended already, or the person has no role; recorded.
        """
        subject = f"{policy.portfolio}/{name}"
        with self._deciding(actor, "end experiment", subject) as transaction:
            require_person(policy, actor, "end an experiment")
            known = _read(transaction.connection, policy.portfolio)[name]
            if known.ended:
                raise NotAllowedError(f"experiment {name!r}: ended already, on {known.ended}")
            transaction.record(actor.name, _ENDED, subject, {"day": day, "why": why})
            return replace(known, ended=day)

    def experiments(
        self, portfolio: str, before: datetime | None = None
    ) -> tuple[ExperimentRecord, ...]:
        """Return every experiment of a portfolio, oldest first, as far as a moment knew of it."""
        with self._database.read() as connection:
            return tuple(_read(connection, portfolio, before).values())

    def experiment(self, portfolio: str, name: str) -> ExperimentRecord:
        """Return one experiment.

        Raises:
            NotFoundError: none of that name.
        """
        known = {record.name: record for record in self.experiments(portfolio)}
        if name not in known:
            raise NotFoundError(
                f"experiment {name!r}: not assigned, only {', '.join(known) or 'none yet'}; "
                "see 'equimarginal experiment list'"
            )
        return known[name]


def _read(
    connection: Connection, portfolio: str, before: datetime | None = None
) -> dict[str, ExperimentRecord]:
    """Return the experiments by name, as the chain tells them."""
    audit = schema.audit
    query = (
        select(audit.c.at, audit.c.actor, audit.c.action, audit.c.subject, audit.c.payload)
        .where(audit.c.action.in_((_ASSIGNED, _LOOKED, _ENDED)))
        .order_by(audit.c.seq)
    )
    if before is not None:
        query = query.where(audit.c.at < moment_text(before))
    found: dict[str, ExperimentRecord] = {}
    for row in connection.execute(query):
        owner, _, name = row.subject.partition("/")
        if owner != portfolio:
            continue
        payload = json.loads(row.payload)
        if row.action == _ASSIGNED:
            found[name] = ExperimentRecord(
                name=name, assigned_at=row.at, assigned_by=row.actor, assignment=payload
            )
        elif row.action == _ENDED:
            found[name] = replace(found[name], ended=payload["day"])
        else:
            found[name] = replace(found[name], looks=(*found[name].looks, payload))
    return found
