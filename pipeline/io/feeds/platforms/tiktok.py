"""TikTok: the integrated report of an advertiser, campaign or ad group by day.

Documented wire format: GET report/integrated/get/ with the `Access-Token` header, at most 30 days
a call, pages by `page_info`; the status is always 200 and `code` says what happened.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, Window, day_text, dig, number
from pipeline.io.web.api import MAX_PAGES, Api, PlatformError

BASE = "https://business-api.tiktok.com/open_api/v1.3"
DAYS_A_CALL, PAGE = 30, 1000
_BUSY = {40100, 40133, 50000, 50002, 60001}  # too many requests; internal faults that pass
_CONVERSIONS, _VALUE = "complete_payment", "total_complete_payment_rate"  # the latter is a sum


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day and campaign, or ad group where the feed's level says so."""
    feed, account = ask.feed, ask.account
    label = f"tiktok {feed.account}"
    api = Api(
        label,
        account.host or BASE,
        headers={"Access-Token": account.token},
        secrets=account.secrets,
        sleep=ask.sleep,
        judge=_judge,
    )
    return [
        _row(feed, item, label)
        for part in ask.window.parts(DAYS_A_CALL)
        for item in _items(api, feed, part, label)
    ]


def _items(api: Api, feed: Feed, window: Window, label: str) -> list[Any]:
    is_group = feed.level == "group"
    names = ["campaign_name", *(["campaign_id", "adgroup_name"] if is_group else [])]
    metrics = ["currency", "spend", "impressions", "clicks", feed.conversion or _CONVERSIONS]
    found: list[Any] = []
    for page in range(1, MAX_PAGES + 1):
        answer = api.get(
            "report/integrated/get/",
            advertiser_id=feed.account,
            report_type="BASIC",
            data_level="AUCTION_ADGROUP" if is_group else "AUCTION_CAMPAIGN",
            dimensions=json.dumps(["adgroup_id" if is_group else "campaign_id", "stat_time_day"]),
            metrics=json.dumps([*names, *metrics, feed.value or _VALUE]),
            start_date=str(window.first),
            end_date=str(window.last),
            page=page,
            page_size=PAGE,
        )
        found += dig(answer, "data", "list") or []
        if page >= int(dig(answer, "data", "page_info", "total_page") or 1):
            return found
    raise PlatformError(f"{label}: more than {MAX_PAGES} pages; ask for fewer days")


def _row(feed: Feed, item: Any, label: str) -> Row:
    keys, metrics = item.get("dimensions", {}), item.get("metrics", {})
    counted, value = feed.conversion or _CONVERSIONS, feed.value or _VALUE
    return {
        "date": day_text(keys.get("stat_time_day"), f"{label}: stat_time_day"),
        "platform": "tiktok",
        "account": feed.account,
        "campaign_id": str(keys.get("campaign_id") or metrics.get("campaign_id") or ""),
        "campaign": str(metrics.get("campaign_name", "")),
        "group_id": str(keys.get("adgroup_id", "")),
        "group": str(metrics.get("adgroup_name", "")),
        "currency": str(metrics.get("currency", "")),
        "spend": number(metrics.get("spend"), f"{label}: spend"),
        "budget": "",
        "impressions": number(metrics.get("impressions"), f"{label}: impressions"),
        "clicks": number(metrics.get("clicks"), f"{label}: clicks"),
        "conversions": number(metrics.get(counted), f"{label}: {counted}"),
        "revenue": number(metrics.get(value), f"{label}: {value}"),
    }


def _judge(payload: Any) -> tuple[str, bool] | None:
    code = dig(payload, "code")
    if code in (0, None):
        return None
    return f"code {code}: {dig(payload, 'message') or 'refused'}"[:300], code in _BUSY
