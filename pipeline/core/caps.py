"""A cap: the limit that finance put on a scope's money, with its life."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from pipeline.core.types import Line, in_scope


class CapStatus(StrEnum):
    """Where a cap stands; whether an approved one is in force depends on the day."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Cap(BaseModel):
    """One cap as the ledger holds it. Amounts per day, account currency.

    Of two approved caps of one scope that cover a day, the one decided last binds; `decided_seq`
    is the ledger's order of decisions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    scope: dict[str, str] = Field(default_factory=dict)
    min: float | None = None
    max: float | None = None
    fixed: float | None = None
    valid_from: date | None = None
    expires: date | None = None
    status: CapStatus
    proposed_by: str
    reason: str = ""
    impact: str = ""
    decided_by: str = ""
    decided_seq: int = 0

    def in_force(self, day: date) -> bool:
        """Return whether the cap may bind plans for `day`: it is approved and covers it."""
        return (
            self.status is CapStatus.APPROVED
            and (self.valid_from is None or self.valid_from <= day)
            and (self.expires is None or day <= self.expires)
        )

    def standing(self, day: date) -> str:
        """Return how the cap stands on `day`: as its status, or whether it is in force or over."""
        if self.status in {CapStatus.REJECTED, CapStatus.SUPERSEDED}:
            return self.status.value
        if self.expires is not None and self.expires < day:
            return "expired"
        return "in force" if self.in_force(day) else self.status.value

    def covers(self, line: Line, columns: tuple[str, ...]) -> bool:
        """Return whether the line's money counts against this cap."""
        return in_scope(line, columns, self.scope)
