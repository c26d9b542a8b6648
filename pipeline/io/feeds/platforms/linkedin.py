"""LinkedIn: ad analytics of a sponsored account, campaign by day.

Documented wire format: GET adAnalytics with the `analytics` finder in Rest.li 2.0 notation. It has
no pages and cuts off silently at 15,000 elements, so it is asked in weeks and, where a week comes
near that, in days.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, Window, dig, number
from pipeline.io.web.api import Api, PlatformError

BASE, VERSION = "https://api.linkedin.com/rest", "202609"
DAYS_A_CALL, MOST_ELEMENTS = 7, 15_000
_FIELDS = (
    "dateRange,pivotValues,costInLocalCurrency,impressions,clicks,"
    "externalWebsiteConversions,conversionValueInLocalCurrency"
)


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day and campaign; the platform groups by one element only."""
    feed, account = ask.feed, ask.account
    label = f"linkedin {feed.account}"
    api = Api(
        label,
        account.host or BASE,
        headers={
            "Authorization": f"Bearer {account.token}",
            "LinkedIn-Version": account.extra.get("version", VERSION),
            "X-Restli-Protocol-Version": "2.0.0",
        },
        secrets=account.secrets,
        sleep=ask.sleep,
    )
    currency = str(api.get(f"adAccounts/{feed.account}").get("currency") or "")
    elements: list[Any] = []
    for week in ask.window.parts(DAYS_A_CALL):
        found = _elements(api, feed, week)
        if len(found) >= MOST_ELEMENTS:
            found = [item for day in week.parts(1) for item in _one_day(api, feed, day, label)]
        elements += found
    return [_row(feed, item, currency, label) for item in elements]


def _one_day(api: Api, feed: Feed, day: Window, label: str) -> list[Any]:
    found = _elements(api, feed, day)
    if len(found) >= MOST_ELEMENTS:
        raise PlatformError(f"{label}: {day.first} has {MOST_ELEMENTS} rows or more and is cut off")
    return found


def _elements(api: Api, feed: Feed, window: Window) -> list[Any]:
    # Rest.li wants its brackets as they are, so the query is written and not encoded.
    days = f"(start:{_parts(window.first)},end:{_parts(window.last)})"
    answer = api.get(
        "adAnalytics?q=analytics&pivot=CAMPAIGN&timeGranularity=DAILY"
        f"&dateRange={days}&fields={_FIELDS}"
        f"&accounts=List(urn%3Ali%3AsponsoredAccount%3A{feed.account})"
    )
    return list(answer.get("elements", []))


def _parts(day: date) -> str:
    return f"(year:{day.year},month:{day.month},day:{day.day})"


def _row(feed: Feed, item: Any, currency: str, label: str) -> Row:
    start = dig(item, "dateRange", "start") or {}
    try:
        day = date(int(start["year"]), int(start["month"]), int(start["day"])).isoformat()
    except (KeyError, ValueError, TypeError):
        raise PlatformError(f"{label}: an element has no day, got {start!r}") from None
    urn = str(dig(item, "pivotValues", 0) or "")
    return {
        "date": day,
        "platform": "linkedin",
        "account": feed.account,
        "campaign_id": urn.rsplit(":", 1)[-1],
        "campaign": urn,
        "group_id": "",
        "group": "",
        "currency": currency,
        "spend": number(item.get("costInLocalCurrency"), f"{label}: costInLocalCurrency"),
        "budget": "",
        "impressions": number(item.get("impressions"), f"{label}: impressions"),
        "clicks": number(item.get("clicks"), f"{label}: clicks"),
        "conversions": number(item.get("externalWebsiteConversions"), f"{label}: conversions"),
        "revenue": number(item.get("conversionValueInLocalCurrency"), f"{label}: value"),
    }
