"""A month's money over its days: by expected demand, with what is already spent as a fact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import ConfigError
from pipeline.core.types import FloatArray

DEAD_BAND = 0.05
"""Share of the money planned for the days left inside which a deviation is left alone: correcting
it would change a day by less than platforms miss their budgets by. The band closes as the month
ends, so that nothing piles up for its last day."""

CORRECTION = 0.5
"""Share of a larger deviation that is worked off over the rest of the month."""

LAST_DAYS = 10
"""Days before the month's end from which all of a deviation is worked off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A day's money, and how the month stands.

    Attributes:
        today: to be spent on the day.
        planned_to_date: what should have been spent before it.
        ahead: spent less planned, before the day; below 0 when behind.
    """

    today: float
    planned_to_date: float
    ahead: float


def pace_day(total: float, spent: float, demand: FloatArray, day: int) -> Pace:
    """Return the money of one day of a month.

    The plan follows expected demand. A deviation above `DEAD_BAND` is corrected by `CORRECTION`
    of it, and in the month's last days by all of it, spread over the days left, so that pacing
    neither chases noise nor ends in a rush; on the last day everything that is left is spent.

    Args:
        total: the month's money.
        spent: before the day.
        demand: (n_days,), expected demand of every day of the month, >= 0; only ratios count.
        day: 0 for the month's first.

    Raises:
        ConfigError: the amounts or the day make no sense.
    """
    if not (math.isfinite(total) and math.isfinite(spent) and total >= 0 and spent >= 0):
        raise ConfigError(f"pacing: need amounts that are not negative, got {total!r}, {spent!r}")
    if not 0 <= day < demand.size or not np.isfinite(demand).all() or (demand < 0).any():
        raise ConfigError(f"pacing: day {day} of {demand.size}, demand must not be negative")
    weights = demand if demand.sum() > 0 else np.ones(demand.size)
    left = float(weights[day:].sum())
    share = float(weights[day]) / left if left > 0 else 1 / (demand.size - day)
    planned = total * float(weights[:day].sum()) / float(weights.sum())
    ahead, remaining = spent - planned, max(total - spent, 0.0)
    if day == demand.size - 1:
        return Pace(today=remaining, planned_to_date=planned, ahead=ahead)
    correction = CORRECTION if demand.size - day > LAST_DAYS else 1.0
    corrected = 0.0 if abs(ahead) <= DEAD_BAND * (total - planned) else correction * ahead
    today = min(max((total - planned - corrected) * share, 0.0), remaining)
    return Pace(today=today, planned_to_date=planned, ahead=ahead)
