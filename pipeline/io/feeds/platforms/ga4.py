"""Google Analytics 4: sessions' campaigns with their key events and revenue, by day.

Documented wire format: Data API v1beta, POST properties/ID:runReport, pages by `offset` and
`rowCount`. A report that was sampled, thresholded or folded into "(other)" is refused: its parts
would not add up.
"""

from __future__ import annotations

from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, day_text, dig, number
from pipeline.io.web.api import MAX_PAGES, Api, PlatformError
from pipeline.io.web.oauth import google_token

BASE = "https://analyticsdata.googleapis.com"
PAGE = 100_000
_DIMENSIONS = ("date", "sessionSource", "sessionCampaignId", "sessionCampaignName")
_BUSY = {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL"}


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day, source and campaign. The source stands in `platform`."""
    feed, account = ask.feed, ask.account
    label = f"ga4 {feed.account}"
    token = google_token(label, account, ask.sleep)
    api = Api(
        label,
        account.host or BASE,
        headers={"Authorization": f"Bearer {token}"},
        secrets=(*account.secrets, token),
        sleep=ask.sleep,
        judge=_judge,
    )
    metrics = (feed.conversion or "keyEvents", feed.value or "purchaseRevenue")
    days = {"startDate": str(ask.window.first), "endDate": str(ask.window.last)}
    rows: list[Row] = []
    for page in range(MAX_PAGES):
        answer = api.post(
            f"v1beta/properties/{feed.account}:runReport",
            {
                "dateRanges": [days],
                "dimensions": [{"name": name} for name in _DIMENSIONS],
                "metrics": [{"name": name} for name in metrics],
                "limit": str(PAGE),
                "offset": str(page * PAGE),
                "returnPropertyQuota": False,
            },
        )
        _check_whole(answer, label)
        currency = str(dig(answer, "metadata", "currencyCode") or "")
        rows += [_row(feed, item, currency, label) for item in answer.get("rows", [])]
        if len(rows) >= int(answer.get("rowCount") or 0):
            return rows
    raise PlatformError(f"{label}: more than {MAX_PAGES} pages; ask for fewer days")


def _check_whole(answer: Any, label: str) -> None:
    said = {
        "dataLossFromOtherRow": "has rows folded into (other)",
        "subjectToThresholding": "withholds small rows",
        "samplingMetadatas": "is sampled",
    }
    for key, problem in said.items():
        if dig(answer, "metadata", key):
            raise PlatformError(f"{label}: the report {problem} and cannot add up; use the export")


def _row(feed: Feed, item: Any, currency: str, label: str) -> Row:
    day, source, campaign_id, campaign = (
        str(dig(item, "dimensionValues", place, "value") or "") for place in range(4)
    )
    return {
        "date": day_text(day, f"{label}: date"),
        "platform": source,
        "account": feed.account,
        "campaign_id": campaign_id,
        "campaign": campaign,
        "group_id": "",
        "group": "",
        "currency": currency,
        "conversions": number(dig(item, "metricValues", 0, "value"), f"{label}: key events"),
        "revenue": number(dig(item, "metricValues", 1, "value"), f"{label}: revenue"),
    }


def _judge(payload: Any) -> tuple[str, bool] | None:
    error = dig(payload, "error")
    if error is None:
        return None
    status = str(dig(error, "status") or "")
    return f"{status} {dig(error, 'message') or 'refused'}"[:300], status in _BUSY
