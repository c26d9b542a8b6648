"""What a platform hands over: rows of texts, one per day and campaign, keyed by its own ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.web.api import PlatformError
from pipeline.io.web.credentials import Credentials

Row = Mapping[str, str]

KEYS = ("date", "platform", "account", "campaign_id", "campaign", "group_id", "group")
ADS = (*KEYS, "currency", "spend", "budget", "impressions", "clicks", "conversions", "revenue")
ANALYTICS = (*KEYS, "currency", "conversions", "revenue")
CRM = (*KEYS, "currency", "conversions", "qualified", "pipeline", "revenue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The days that are asked for, both inclusive."""

    first: date
    last: date

    def parts(self, days: int) -> Iterator[Window]:
        """Yield the window in pieces of at most so many days, oldest first."""
        start = self.first
        while start <= self.last:
            end = min(start + timedelta(days=days - 1), self.last)
            yield Window(first=start, last=end)
            start = end + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked of a platform.

    Attributes:
        zone: whose calendar days count where the platform gives moments.
        currency: of amounts whose currency the platform does not say.
        sleep: how to wait where the platform asks for it, in seconds.
    """

    feed: Feed
    account: Credentials
    window: Window
    zone: str
    currency: str
    sleep: Callable[[float], None]


def number(value: Any, what: str) -> str:
    """Return a platform's number as plain text, exactly as many digits as it gave.

    Raises:
        PlatformError: it is not a number.
    """
    try:
        amount = Decimal(str(value if value not in (None, "") else 0))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise PlatformError(
            f"{what}: got {value!r}, need a number; the platform changed its answer"
        )
    return f"{amount.normalize():f}"


def micros(value: Any, what: str) -> str:
    """Return an amount that the platform counts in millionths, in whole currency units."""
    return number(Decimal(number(value, what)) / 1_000_000, what)


def day_text(value: Any, what: str) -> str:
    """Return a day as ISO text: the start of a moment, or eight digits.

    Raises:
        PlatformError: it is not a day.
    """
    text = str(value)[:10]
    if len(text) == 8 and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise PlatformError(
            f"{what}: got {value!r}, need a day; the platform changed its answer"
        ) from None


def dig(value: Any, *path: str | int) -> Any:
    """Return what is inside nested objects, None where a step is missing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return None
            value = value[step]
        else:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
    return value
