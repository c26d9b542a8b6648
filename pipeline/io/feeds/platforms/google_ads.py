"""Google Ads: GoogleAdsService.Search over REST, campaign or ad group by day.

Documented wire format: POST customers/ID/googleAds:search with a GAQL query, pages by
`nextPageToken`, amounts in micros, faults as `error.status` and `error.message`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, Window, day_text, dig, micros, number
from pipeline.io.web.api import MAX_PAGES, Api, PlatformError
from pipeline.io.web.credentials import Credentials
from pipeline.io.web.oauth import google_token

BASE, VERSION = "https://googleads.googleapis.com", "v21"
_BUSY = {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"}
_METRICS = ("cost_micros", "impressions", "clicks", "conversions", "conversions_value")


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day and campaign, or ad group where the feed's level says so."""
    feed = ask.feed
    api, customer = connected(feed.account, ask.account, ask.sleep)
    label, path = api.label, f"{customer}/googleAds:search"
    rows, page = [], None
    for _ in range(MAX_PAGES):
        body = {"query": _query(feed, ask.window), **({"pageToken": page} if page else {})}
        answer = api.post(path, body)
        rows += [_row(feed, item, ask.window, label) for item in answer.get("results", [])]
        page = answer.get("nextPageToken")
        if not page:
            return rows
    raise PlatformError(f"{label}: more than {MAX_PAGES} pages; ask for fewer days")


def connected(account: str, login: Credentials, sleep: Callable[[float], None]) -> tuple[Api, str]:
    """Return the interface for one customer, and the path that its calls begin with."""
    label = f"google_ads {account}"
    token = google_token(label, login, sleep)
    headers = {
        "Authorization": f"Bearer {token}",
        "developer-token": login.need("developer_token"),
    }
    if manager := login.extra.get("login_customer_id"):
        headers["login-customer-id"] = manager.replace("-", "")
    api = Api(
        label,
        login.host or BASE,
        headers=headers,
        secrets=(*login.secrets, token),
        sleep=sleep,
        judge=_judge,
    )
    version = login.extra.get("version", VERSION)
    return api, f"{version}/customers/{account.replace('-', '')}"


def _query(feed: Feed, window: Window) -> str:
    is_group = feed.level == "group"
    fields = [
        "segments.date",
        "customer.currency_code",
        "campaign.id",
        "campaign.name",
        *(["ad_group.id", "ad_group.name"] if is_group else ["campaign_budget.amount_micros"]),
        *(f"metrics.{name}" for name in _METRICS),
    ]
    days = f"segments.date BETWEEN '{window.first}' AND '{window.last}'"
    table = "ad_group" if is_group else "campaign"
    return " ".join(["SELECT", ", ".join(fields), "FROM", table, "WHERE", days])


def _row(feed: Feed, item: Any, window: Window, label: str) -> Row:
    day = day_text(dig(item, "segments", "date"), f"{label}: segments.date")
    budget = dig(item, "campaignBudget", "amountMicros")
    # The budget is today's setting whatever the day, so only the newest day can carry it.
    is_newest = day == window.last.isoformat() and feed.level == "campaign"
    return {
        "date": day,
        "platform": "google_ads",
        "account": feed.account,
        "campaign_id": str(dig(item, "campaign", "id") or ""),
        "campaign": str(dig(item, "campaign", "name") or ""),
        "group_id": str(dig(item, "adGroup", "id") or ""),
        "group": str(dig(item, "adGroup", "name") or ""),
        "currency": str(dig(item, "customer", "currencyCode") or ""),
        "spend": micros(dig(item, "metrics", "costMicros"), f"{label}: costMicros"),
        "budget": micros(budget, f"{label}: amountMicros") if budget and is_newest else "",
        "impressions": number(dig(item, "metrics", "impressions"), f"{label}: impressions"),
        "clicks": number(dig(item, "metrics", "clicks"), f"{label}: clicks"),
        "conversions": number(dig(item, "metrics", "conversions"), f"{label}: conversions"),
        "revenue": number(dig(item, "metrics", "conversionsValue"), f"{label}: conversionsValue"),
    }


def _judge(payload: Any) -> tuple[str, bool] | None:
    error = dig(payload, "error")
    if error is None:
        return None
    status = str(dig(error, "status") or "")
    inner = dig(error, "details", 0, "errors", 0, "message")
    said = str(inner or dig(error, "message") or "refused")
    return f"{status} {said}".strip()[:300], status in _BUSY
