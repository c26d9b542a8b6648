"""The plan: what is proposed for one day, why, and what it rests on.

The content is frozen when it is proposed, and its hash is what a person signs. Where it stands
(proposed, approved, ...) lives in the ledger alone and is merged in when a plan is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.core.canonical import canonical_bytes, content_hash
from pipeline.core.findings import Finding
from pipeline.core.types import Line


class Mode(StrEnum):
    """How the budgets came about."""

    OPTIMISED = "optimised"
    FALLBACK = "fallback"
    HOLD = "hold"


class Status(StrEnum):
    """Where a plan stands in the ledger."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Interval(_Frozen):
    """A posterior mean with its 90 % interval."""

    mean: float
    p05: float
    p95: float


class Expected(Interval):
    """An interval that says of which metric."""

    metric: str


class Uplift(Interval):
    """Plan minus status quo, and how sure it is that the plan is better."""

    probability_positive: float


class PlanLine(_Frozen):
    """One budget line of the plan."""

    line: dict[str, str]
    current: float
    proposed: float
    expected: Interval | None = None
    marginal_return: Interval | None = None
    binding: tuple[str, ...] = ()
    action: str = "hold"
    reason: str = ""
    exploration: float = 0.0


class PlanCap(_Frozen):
    """A limit that was in force for the plan's day, and what it costs.

    `shadow_price` is the outcome that one more unit of this cap would earn.
    """

    id: str
    scope: dict[str, str]
    min: float | None = None
    max: float | None = None
    fixed: float | None = None
    binding: bool = False
    shadow_price: float = 0.0
    approved_by: str = ""


class PlanGuardrail(_Frozen):
    """A guardrail with what the plan is expected to do to it."""

    metric: str
    limit: float
    kind: str
    scope: dict[str, str] = Field(default_factory=dict)
    expected: float | None
    current: float | None = None
    status: str
    shadow_price: float = 0.0


class Certificate(_Frozen):
    """The proof: no split inside the limits earns more than `upper_bound` on these curves."""

    objective: float
    upper_bound: float
    gap: float


class ModelHealth(_Frozen):
    """PASS, REVIEW or FAIL of the model as a whole, with the checks behind it."""

    level: str
    checks: tuple[Finding, ...] = ()


class Plan(_Frozen):
    """A day's plan. `status` and `content_hash` are not part of what is hashed."""

    plan_id: str
    portfolio: str
    date: date
    currency: str
    line_columns: tuple[str, ...]
    mode: Mode
    reasons: tuple[str, ...] = ()
    budget: float
    expected: Expected | None = None
    status_quo: Interval | None = None
    uplift: Uplift | None = None
    lines: tuple[PlanLine, ...]
    caps: tuple[PlanCap, ...] = ()
    caps_version: str = ""
    guardrails: tuple[PlanGuardrail, ...] = ()
    findings: tuple[Finding, ...] = ()
    model_health: ModelHealth | None = None
    certificate: Certificate | None = None
    budget_price: float | None = None
    inputs_hash: str = ""
    based_on: str = ""
    fallback_days: int = 0
    status: Status = Status.PROPOSED

    @model_validator(mode="after")
    def _lines_in_order(self) -> Self:
        """Name every line's columns outermost first, however the stored keys were sorted."""
        for item in self.lines:
            if set(item.line) != set(self.line_columns):
                raise ValueError(f"a line names {list(item.line)}, need {list(self.line_columns)}")
            ordered = {column: item.line[column] for column in self.line_columns}
            item.line.clear()
            item.line.update(ordered)
        return self

    @property
    def budgets(self) -> dict[Line, float]:
        """The proposed budget of every line, account currency."""
        return {
            tuple(item.line[c] for c in self.line_columns): item.proposed for item in self.lines
        }

    def content(self) -> dict[str, Any]:
        """Return what is hashed and signed, as plain JSON values."""
        return self.model_dump(mode="json", exclude={"status"})

    @property
    def content_hash(self) -> str:
        """`sha256:` and the hex digest of the canonical content."""
        return content_hash(self.content())

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of the content."""
        return canonical_bytes(self.content())

    def to_json(self) -> dict[str, Any]:
        """Return what `equimarginal plan ID --json` prints: content, status and hash."""
        return {**self.content(), "status": self.status.value, "content_hash": self.content_hash}

    def with_status(self, status: Status) -> Self:
        """Return the same plan, shown with another status."""
        return self.model_copy(update={"status": status})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the plan that `to_json` or `content` wrote."""
        return cls.model_validate({k: v for k, v in data.items() if k != "content_hash"})
