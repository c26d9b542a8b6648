"""Time as an argument: whoever needs the moment is given a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeAlias

from pipeline.core.errors import UsageError

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present moment, timezone-aware, in UTC."""

EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)
"""The days that anything is asked about; windows around them stay within the calendar."""


def system_clock() -> datetime:
    """Return the machine's present moment in UTC."""
    return datetime.now(UTC)


def fixed_clock(moment: datetime) -> Clock:
    """Return a clock that always shows `moment`."""
    return lambda: moment.astimezone(UTC)


def near_day(day: date, where: str) -> date:
    """Return a day that can be planned or looked at.

    Raises:
        UsageError: it is centuries away, so it is a slip.
    """
    if not EARLIEST <= day <= LATEST:
        raise UsageError(f"{where}: got {day}, need a day from {EARLIEST} to {LATEST}")
    return day
