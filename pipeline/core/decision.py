"""A decision other than the budget: what is proposed for one day, in shares or touches.

The same life as a budget plan: content frozen when proposed, its hash signed, its standing kept
by the ledger alone. A `Document` is either of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Self, TypeAlias

from pydantic import Field, model_validator

from pipeline.core.findings import Finding
from pipeline.core.plan import (
    Amounts,
    Expected,
    Frozen,
    Interval,
    Kind,
    Mode,
    ModelHealth,
    Plan,
    PlanGuardrail,
    Signed,
    Uplift,
    ordered_line,
)


class DecisionLine(Frozen):
    """One line of a decision: a creative inside an audience, an offer, a segment.

    `current` and `proposed` are in the decision's unit; `figures` are what else is known of the
    line, by name; `parts` is how the amount is carried out, such as the share of people per dose.
    """

    line: dict[str, str]
    current: float = Field(ge=0)
    proposed: float = Field(ge=0)
    expected: Interval | None = None
    binding: tuple[str, ...] = ()
    action: str = "hold"
    reason: str = ""
    figures: dict[str, float] = Field(default_factory=dict)
    parts: dict[str, float] = Field(default_factory=dict)


FEWER_THAN = "fewer_than"
"""The figure of a line whose group is too small to be shown: how many it is fewer than."""
_KEPT = frozenset({"nights_losing", "changed", "new_beats_best"})
"""Figures that say nothing of a small group and that a later night needs."""


def without_small_figures(
    line: DecisionLine, least: float, *, keep: frozenset[str] = frozenset(), reason: str = ""
) -> DecisionLine:
    """Return the line of a group of fewer than `least`, without what would tell of its members.

    Args:
        keep: further figures that may stay.
        reason: in place of one that says figures; empty where it says none.
    """
    kept = {name: value for name, value in line.figures.items() if name in _KEPT | keep}
    return line.model_copy(
        update={
            "expected": None,
            "figures": {**kept, FEWER_THAN: float(least)},
            "reason": reason or line.reason,
        }
    )


class DecisionPlan(Signed):
    """A day's rotation, offers or cadence.

    Attributes:
        unit: of the amounts, such as `share` or `touches a week`.
        digits: decimals of the amounts; what is signed and published are whole units of the last.
        group_columns: so many leading columns name what is split: amounts of one group are one
            split. 0 where lines do not share anything.
        rules_version: hash of the settings that the decision obeys; other rules void the plan.
        terms: what holds for every line as it is carried out, by name, such as send hours.
        fallback_days: for how many days in a row, this one included, it has been a fallback.
    """

    plan_id: str
    portfolio: str
    date: date
    kind: Kind
    currency: str
    unit: str
    digits: int = Field(ge=0, le=6)
    line_columns: tuple[str, ...]
    group_columns: int = 0
    mode: Mode
    reasons: tuple[str, ...] = ()
    expected: Expected | None = None
    status_quo: Interval | None = None
    uplift: Uplift | None = None
    lines: tuple[DecisionLine, ...]
    guardrails: tuple[PlanGuardrail, ...] = ()
    findings: tuple[Finding, ...] = ()
    model_health: ModelHealth | None = None
    rules_version: str
    inputs_hash: str = ""
    based_on: str = ""
    terms: dict[str, str] = Field(default_factory=dict)
    fallback_days: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _lines_in_order(self) -> Self:
        if self.kind is Kind.BUDGET:
            raise ValueError("a budget is a Plan")
        for item in self.lines:
            ordered_line(item.line, self.line_columns)
        return self

    def content(self) -> dict[str, Any]:
        """Return what is hashed and signed; what may be empty only where there is any."""
        content = Signed.content(self)
        for name in ("terms", "fallback_days"):
            if not content[name]:
                del content[name]
        for line in content["lines"]:
            if not line["parts"]:
                del line["parts"]
        return content

    @property
    def budgets(self) -> dict[tuple[str, ...], float]:
        """The proposed amount of every line, in the decision's unit."""
        return {
            tuple(item.line[c] for c in self.line_columns): item.proposed for item in self.lines
        }

    @property
    def caps_version(self) -> str:
        """What the signature is bound to besides the content: here the rules."""
        return self.rules_version

    def amounts(self) -> tuple[Amounts, ...]:
        """Return line, current and proposed in whole units of the last decimal."""
        return tuple(
            (
                tuple(item.line[column] for column in self.line_columns),
                whole_units(item.current, self.digits),
                whole_units(item.proposed, self.digits),
            )
            for item in self.lines
        )


Document: TypeAlias = Plan | DecisionPlan


def whole_units(amount: float, digits: int) -> int:
    """Return an amount in whole units of its last decimal, rounded half to even."""
    scaled = Decimal(repr(amount)).scaleb(digits)
    return int(scaled.to_integral_value(ROUND_HALF_EVEN))


def read_document(data: Mapping[str, Any]) -> Document:
    """Return the plan of any kind that `content` or `to_json` wrote."""
    if data.get("kind", Kind.BUDGET.value) == Kind.BUDGET.value:
        return Plan.from_json({key: value for key, value in data.items() if key != "kind"})
    return DecisionPlan.from_json(data)
