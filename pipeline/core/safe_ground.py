"""Safe ground: what is fixed on purpose, and what has not yet earned being optimised."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Amount, Name, ScopeMap, Strict, Whole
from pipeline.core.types import Line, in_scope


class SafeGround(Strict):
    """Lines whose budgets stay, always or on some days, and why.

    Attributes:
        scope: the lines; an empty one means all of them.
        because: compliance, contract, launch, blackout; shown with every line.
        valid_from, until: first and last day; always where they are left out.
        days: single days instead, such as blackouts.
    """

    scope: ScopeMap = Field(default_factory=dict)
    because: Name
    valid_from: date | None = None
    until: date | None = None
    days: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.days and (self.valid_from or self.until):
            raise ValueError("safe_ground: give days, or valid_from and until, not both")
        if self.valid_from and self.until and self.until < self.valid_from:
            raise ValueError("safe_ground: ends before it is valid")
        if not self.scope and not (self.days or self.until):
            raise ValueError(
                "safe_ground: all lines for ever would leave nothing to decide; "
                "give a scope, days or until"
            )
        return self

    def holds(self, line: Line, columns: tuple[str, ...], day: date) -> bool:
        """Return whether it fixes a line on a day."""
        if self.days:
            return day in self.days and in_scope(line, columns, self.scope)
        begun = self.valid_from is None or self.valid_from <= day
        over = self.until is not None and day > self.until
        return begun and not over and in_scope(line, columns, self.scope)

    def ends(self, day: date) -> date | None:
        """Return the last day of the stretch that `day` is in; None where it has no end."""
        if not self.days:
            return self.until
        while day + timedelta(days=1) in self.days:
            day += timedelta(days=1)
        return day


class Learning(Strict):
    """What a line must have shown before it is optimised; until then its budget stays.

    Attributes:
        min_outcomes: counted in trusted cells of the last `days`; 0 optimises every line.
    """

    min_outcomes: Amount = 0.0
    days: Annotated[Whole, Field(ge=7, le=365)] = 56.0
