"""What a night knows per day and line, as dense arrays: the staged tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.core.types import BoolArray, FloatArray, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Spend and outcomes over an unbroken calendar; every table is (n_days, n_lines).

    Attributes:
        days: consecutive; the last is the day before the plan's day.
        spend: 0 where there is no row.
        has_spend_row: whether the source spoke of the cell.
        budget, impressions, clicks: NaN where the source does not say.
        outcomes: metric -> table; NaN on days that the outcomes do not cover, 0 for a line
            without a row on a covered day.
        has_outcome_row: whether any metric of the cell has a row.
        measured: the same night by what outcomes are known by, where that is not the line; then
            `outcomes` here is empty.
    """

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    spend: FloatArray
    has_spend_row: BoolArray
    budget: FloatArray
    impressions: FloatArray
    clicks: FloatArray
    outcomes: Mapping[str, FloatArray]
    has_outcome_row: BoolArray
    measured: Facts | None = None

    @property
    def outcome_side(self) -> Facts:
        """The table whose rows outcomes are known by: this one, or that of the units."""
        return self.measured or self

    def groups(self) -> tuple[str, ...]:
        """Return the outermost level of each line."""
        return tuple(line[0] for line in self.lines)
