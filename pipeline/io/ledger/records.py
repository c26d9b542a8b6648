"""What the ledger answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipeline.core.decision import DecisionPlan, Document
from pipeline.core.errors import DamagedError, UsageError
from pipeline.core.money import from_minor
from pipeline.core.plan import Kind, Plan, Status
from pipeline.core.types import Line
from pipeline.io.ledger.states import PublicationStatus, RowStatus

_SHOWN_FIRST = ("plan_id", "portfolio", "date", "currency", "mode", "reasons")


class AlteredError(DamagedError):
    """A stored plan is not what was proposed: somebody changed it, no disk did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and what vouches for it: `login`, `airflow`, `name` (trying out) or `policy`."""

    name: str
    verified_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMoney:
    """One line's money in whole minor units; of another kind, its amount in whole units."""

    line: Line
    current: int
    proposed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRow:
    """One line of a publication and how far it came."""

    position: int
    line: Line
    amount: int
    status: RowStatus
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The publishing of one plan to one target: the portfolio's files, or a destination."""

    plan_id: str
    target: str
    content_hash: str
    status: PublicationStatus
    started_by: str
    started_at: str
    finished_at: str
    rows: tuple[PublicationRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what people and programs are shown."""
        return {
            "target": self.target,
            "status": self.status.value,
            "by": self.started_by,
            "started_at": self.started_at,
            "finished_at": self.finished_at or None,
            "rows": len(self.rows),
            "confirmed": sum(row.status is RowStatus.CONFIRMED for row in self.rows),
            "left_out": [
                {"line": list(row.line), "why": row.why}
                for row in self.rows
                if row.status is RowStatus.REFUSED
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """A stored plan and where it stands. `content` are the bytes that were hashed and signed."""

    document: Document
    content: bytes
    content_hash: str
    status: Status
    proposed_seq: int
    proposed_at: str
    expires_at: str
    decided_by: str
    decided_at: str
    why: str
    verified_by: str
    money: tuple[LineMoney, ...]
    publication: Publication | None
    destinations: tuple[Publication, ...]

    @property
    def plan(self) -> Plan:
        """The plan of budgets.

        Raises:
            UsageError: the plan is of another kind.
        """
        if isinstance(self.document, Plan):
            return self.document
        raise UsageError(
            f"plan {self.plan_id}: decides {self.kind.value}, need a plan of budgets; "
            "'equimarginal plans' lists the kinds"
        )

    @property
    def decision(self) -> DecisionPlan:
        """The plan of another kind than budgets.

        Raises:
            UsageError: the plan is of budgets.
        """
        if isinstance(self.document, DecisionPlan):
            return self.document
        raise UsageError(f"plan {self.plan_id}: decides budgets, need a plan of another kind")

    @property
    def kind(self) -> Kind:
        """What the plan decides."""
        return self.document.kind

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return self.document.plan_id

    @property
    def total(self) -> float | None:
        """All lines' money together, exact, account currency; None where no money is decided."""
        if self.kind is not Kind.BUDGET:
            return None
        return from_minor(sum(item.proposed for item in self.money), self.document.currency)

    @property
    def total_label(self) -> str:
        """The total for people, such as `1,234.50 EUR`; `no money` where none is decided."""
        if self.total is None:
            return "no money"
        return f"{self.total:,.{self.document.digits}f} {self.document.currency}"

    @property
    def is_published(self) -> bool:
        """Whether the plan reached its target and was read back."""
        return (
            self.publication is not None and self.publication.status is PublicationStatus.PUBLISHED
        )

    @property
    def is_published_everywhere(self) -> bool:
        """Whether every target that was begun has it too."""
        return self.is_published and all(
            item.status is PublicationStatus.PUBLISHED for item in self.destinations
        )

    def to_json(self) -> dict[str, Any]:
        """Return the stored content with status, hash, decision and publication."""
        decision = (
            {
                "by": self.decided_by,
                "at": self.decided_at,
                "why": self.why,
                "verified_by": self.verified_by,
            }
            if self.decided_by
            else None
        )
        content = json.loads(self.content)
        for item in content["lines"]:  # the canonical bytes are sorted by key
            item["line"] = {name: item["line"][name] for name in self.document.line_columns}
        first = [name for name in _SHOWN_FIRST if name in content]
        return {
            **{name: content.pop(name) for name in first},
            "kind": self.kind.value,
            "status": self.status.value,
            "content_hash": self.content_hash,
            **{name: content[name] for name in type(self.document).model_fields if name in content},
            "proposed_at": self.proposed_at,
            "expires_at": self.expires_at,
            "decision": decision,
            "publication": self.publication.to_json() if self.publication else None,
            "destinations": [item.to_json() for item in self.destinations],
        }
