"""The plan: what is proposed for one day, why, and what it rests on.

The content is frozen when it is proposed, and its hash is what a person signs. Where it stands
(proposed, approved, ...) lives in the ledger alone and is merged in when a plan is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.core.canonical import canonical_bytes, content_hash
from pipeline.core.findings import Finding
from pipeline.core.learning import (
    PlanExploration,
    PlanHoldout,
    PlanKept,
    PlanKpi,
    PlanNewLines,
)
from pipeline.core.money import minor_digits, to_minor
from pipeline.core.types import Line

OPTIONAL_PARTS = frozenset(
    {"split", "kpi", "exploration", "kept", "new_lines", "holdouts", "renamed"}
)
"""Keys of a plan's content that are there only where they say something."""

Amounts: TypeAlias = tuple[Line, int, int]
"""A line with what it has and what it is to get, in whole units."""


class Kind(StrEnum):
    """What is decided. A portfolio has one plan of each kind in force for a day."""

    BUDGET = "budget"
    ROTATION = "rotation"
    OFFERS = "offers"
    CADENCE = "cadence"


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


class Frozen(BaseModel):
    """Plain values that cannot change, with no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Interval(Frozen):
    """A posterior mean with its 90 % interval."""

    mean: float
    p05: float
    p95: float


class Expected(Interval):
    """An interval that says of which metric."""

    metric: str


class Uplift(Interval):
    """Plan minus status quo, and how sure it is that the plan is better; a tie counts half."""

    probability_positive: float

    @property
    def better(self) -> float | None:
        """The chance that the plan is better; None where it is the same for certain."""
        is_same = self.mean == self.p05 == self.p95 == 0
        return None if is_same else self.probability_positive


class PlanLine(Frozen):
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


class PlanRename(Frozen):
    """A line that had another name; whoever signs agrees that it is the same one."""

    line: dict[str, str]
    was: dict[str, str]


class PlanCap(Frozen):
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


class PlanGuardrail(Frozen):
    """A guardrail with what the plan is expected to do to it."""

    metric: str
    limit: float
    kind: str
    scope: dict[str, str] = Field(default_factory=dict)
    expected: float | None
    current: float | None = None
    status: str
    shadow_price: float = 0.0


class Certificate(Frozen):
    """The proof: no split inside the limits earns more than `upper_bound` on these curves."""

    objective: float
    upper_bound: float
    gap: float


class ModelHealth(Frozen):
    """PASS, REVIEW or FAIL of the model as a whole, with the checks behind it."""

    level: str
    checks: tuple[Finding, ...] = ()


class Signed(Frozen):
    """What people sign: frozen content with a hash; `status` is not part of it."""

    status: Status = Status.PROPOSED

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


class Plan(Signed):
    """A day's budgets. `status` and `content_hash` are not part of what is hashed.

    `split` is what they are expected to earn over today's budgets in the same proportions, where
    the day's money is noticeably another: the rest of `uplift` comes from that money.
    """

    kind: ClassVar[Kind] = Kind.BUDGET

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
    split: Uplift | None = None
    lines: tuple[PlanLine, ...]
    caps: tuple[PlanCap, ...] = ()
    caps_version: str = ""
    guardrails: tuple[PlanGuardrail, ...] = ()
    kpi: PlanKpi | None = None
    exploration: PlanExploration | None = None
    kept: tuple[PlanKept, ...] = ()
    new_lines: PlanNewLines | None = None
    holdouts: tuple[PlanHoldout, ...] = ()
    renamed: tuple[PlanRename, ...] = ()
    findings: tuple[Finding, ...] = ()
    model_health: ModelHealth | None = None
    certificate: Certificate | None = None
    budget_price: float | None = None
    inputs_hash: str = ""
    based_on: str = ""
    fallback_days: int = 0

    @model_validator(mode="after")
    def _lines_in_order(self) -> Self:
        """Name every line's columns outermost first, however the stored keys were sorted."""
        for item in self.lines:
            ordered_line(item.line, self.line_columns)
        for pair in self.renamed:
            ordered_line(pair.line, self.line_columns)
            ordered_line(pair.was, self.line_columns)
        return self

    def content(self) -> dict[str, Any]:
        """Return what is hashed and signed; parts that a night has nothing to say of are left out.

        A plan that was stored before such a part existed thus keeps its bytes and its hash.
        """
        content = super().content()
        return {key: value for key, value in content.items() if value or key not in OPTIONAL_PARTS}

    @property
    def budgets(self) -> dict[Line, float]:
        """The proposed budget of every line, account currency."""
        return {
            tuple(item.line[c] for c in self.line_columns): item.proposed for item in self.lines
        }

    @property
    def names(self) -> dict[Line, Line]:
        """The name now of every line that had another one."""
        return {tuple(item.was.values()): tuple(item.line.values()) for item in self.renamed}

    @property
    def digits(self) -> int:
        """Decimals of the amounts: those of the currency."""
        return minor_digits(self.currency)

    def amounts(self) -> tuple[Amounts, ...]:
        """Return line, current and proposed in whole minor units."""
        return tuple(
            (
                tuple(item.line[column] for column in self.line_columns),
                to_minor(item.current, self.currency),
                to_minor(item.proposed, self.currency),
            )
            for item in self.lines
        )


def ordered_line(line: dict[str, str], columns: tuple[str, ...]) -> None:
    """Put a line's names in the order of the columns, in place.

    Raises:
        ValueError: it names other columns.
    """
    if set(line) != set(columns):
        raise ValueError(f"a line names {list(line)}, need {list(columns)}")
    ordered = {column: line[column] for column in columns}
    line.clear()
    line.update(ordered)
