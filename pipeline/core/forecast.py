"""What a plan promises will be reported: per line and horizon, with its quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray, IntArray, Line

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Quantiles that are kept of every forecast."""

HORIZONS = (1, 7, 14)
"""Days, from the plan's day on, over whose sum a forecast is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """The budget lines behind a forecast of groups of them.

    Attributes:
        lines: (n,)
        group: (n,), place of each line's group in the forecast's `lines`; -1 where none is known.
        spend, status_quo_spend: (n,), per day, as planned and as it was before.
        slope: (n_horizons, n), outcome of its group per unit of money a day around the plan.
    """

    lines: tuple[Line, ...]
    group: IntArray
    spend: FloatArray
    status_quo_spend: FloatArray
    slope: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The outcome that will have been reported once it is complete, if budgets are spent.

    Sums over the first 1, 7, ... days from `day` on; organic outcomes included. The last column
    of every table is the portfolio's total.

    Attributes:
        metric: what is counted.
        day: the plan's; where outcomes are known by the week, the first day of the first week that
            begins on the plan's day or after it.
        lines: (n_lines,), what outcomes are known by: budget lines, or groups of them.
        horizons: (n_horizons,), days.
        spend, status_quo_spend: (n_lines + 1,), per day, as planned and as it was before.
        mean, status_quo: (n_horizons, n_lines + 1), under the plan and under the old budgets.
        slope: (n_horizons, n_lines + 1), outcome per unit of money a day around the plan.
        quantiles: (n_horizons, n_lines + 1, n_levels), at `LEVELS`, under the plan.
        paid: the budget lines, where `lines` are groups of them.
    """

    metric: str
    day: date
    lines: tuple[Line, ...]
    horizons: tuple[int, ...]
    spend: FloatArray
    status_quo_spend: FloatArray
    mean: FloatArray
    status_quo: FloatArray
    slope: FloatArray
    quantiles: FloatArray
    paid: Paid | None = None

    def __post_init__(self) -> None:
        shape = (len(self.horizons), len(self.lines) + 1)
        tables = {"mean": self.mean, "status_quo": self.status_quo, "slope": self.slope}
        for name, table in tables.items():
            if table.shape != shape:
                raise PipelineError(f"forecast: {name} has shape {table.shape}, need {shape}")
        if self.quantiles.shape != (*shape, len(LEVELS)):
            raise PipelineError(f"forecast: quantiles have shape {self.quantiles.shape}")
