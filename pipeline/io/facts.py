"""What a night knows per day and line, as dense arrays: the staged tables in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, Line

WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Spend and outcomes over an unbroken calendar; every table is (n_days, n_lines).

    Attributes:
        days: consecutive; the last is the day before the plan's day.
        spend: 0 where there is no row.
        has_spend_row: whether the source spoke of the cell.
        budget, impressions, clicks: NaN where the source does not say.
        outcomes: metric -> table; NaN on days that the outcomes do not cover, 0 for a line
            without a row on a covered day; a control is NaN wherever it has no row.
        has_outcome_row: whether any metric of the cell has a row.
        measured: the same night by what outcomes are known by, where that is not the line; then
            `outcomes` here is empty.
        period_days: how many days a row spans; such a row has the name of its first day.
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
    period_days: int = 1

    @property
    def outcome_side(self) -> Facts:
        """The table whose rows outcomes are known by: this one, or that of the units."""
        return self.measured or self

    def until(self, end: int) -> Facts:
        """Return the first `end` rows."""
        tables = ("spend", "has_spend_row", "budget", "impressions", "clicks", "has_outcome_row")
        return replace(
            self,
            days=self.days[:end],
            outcomes={name: table[:end] for name, table in self.outcomes.items()},
            measured=None if self.measured is None else self.measured.until(end),
            **{name: getattr(self, name)[:end] for name in tables},
        )

    def reported(self) -> Facts:
        """Return the rows up to the newest that any outcome covers."""
        covered = [np.isfinite(table).any(axis=1) for table in self.outcomes.values()]
        rows = np.flatnonzero(np.any(covered, axis=0)) if covered else np.empty(0)
        return self.until(int(rows[-1]) + 1) if rows.size else self

    def groups(self) -> tuple[str, ...]:
        """Return the outermost level of each line."""
        return tuple(line[0] for line in self.lines)

    def week(self) -> int:
        """Return how many rows a week has."""
        return max(1, WEEK // self.period_days)

    def in_periods(self, days: int) -> Facts:
        """Return the same night with a row for every `days` days, as a source of such rows has it.

        A row that the staging shared out over its days is whole again, and can be held against
        the rows around it; its own days are alike and say nothing of each other.
        """
        if days == 1:
            return self

        def whole(table: FloatArray) -> FloatArray:
            return np.asarray(table.reshape(-1, days, table.shape[1]).sum(axis=1))

        def spoken(table: BoolArray) -> BoolArray:
            return np.asarray(table.reshape(-1, days, table.shape[1]).any(axis=1))

        return replace(
            self,
            days=self.days[::days],
            spend=whole(self.spend),
            has_spend_row=spoken(self.has_spend_row),
            budget=whole(self.budget),
            impressions=whole(self.impressions),
            clicks=whole(self.clicks),
            outcomes={name: whole(table) for name, table in self.outcomes.items()},
            has_outcome_row=spoken(self.has_outcome_row),
            measured=None if self.measured is None else self.measured.in_periods(days),
            period_days=days,
        )
