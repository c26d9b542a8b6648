"""Meta: the Insights edge of an ad account, campaign or ad set by day.

Documented wire format: GET act_ID/insights with `time_increment=1`, pages by
`paging.cursors.after`, counts per action type in `actions` and `action_values`, faults in `error`
with a code; codes 1, 2, 4, 17, 32, 341, 613 and 80000 to 80014 pass by waiting.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, day_text, dig, number
from pipeline.io.web.api import MAX_PAGES, Api, PlatformError
from pipeline.io.web.credentials import Credentials

BASE, VERSION = "https://graph.facebook.com", "v24.0"
_FIELDS = (
    "campaign_id",
    "campaign_name",
    "account_currency",
    "spend",
    "impressions",
    "clicks",
    "actions",
    "action_values",
)
_BUSY = {1, 2, 4, 17, 32, 341, 613, *range(80000, 80015)}


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day and campaign, or ad set where the feed's level says so."""
    feed = ask.feed
    api, version = connected(feed.account, ask.account, ask.sleep)
    label = api.label
    fields = (
        "campaign_id,campaign_name,account_currency,spend,impressions,clicks,actions,action_values"
    )
    if feed.level == "group":
        fields += ",adset_id,adset_name"
    rows, after = [], None
    for _ in range(MAX_PAGES):
        answer = api.get(
            f"{version}/act_{feed.account.removeprefix('act_')}/insights",
            level="adset" if feed.level == "group" else "campaign",
            time_increment=1,
            time_range=json.dumps({"since": str(ask.window.first), "until": str(ask.window.last)}),
            fields=",".join(fields),
            limit=500,
            after=after,
        )
        rows += [_row(feed, item, label) for item in answer.get("data", [])]
        after = dig(answer, "paging", "cursors", "after")
        if not after or not dig(answer, "paging", "next"):
            return rows
    raise PlatformError(f"{label}: more than {MAX_PAGES} pages; ask for fewer days")


def connected(account: str, login: Credentials, sleep: Callable[[float], None]) -> tuple[Api, str]:
    """Return the interface for one account's login, and the version that paths begin with."""
    api = Api(
        f"meta {account}",
        login.host or BASE,
        headers={"Authorization": f"Bearer {login.token}"},
        secrets=login.secrets,
        sleep=sleep,
        judge=fault_of,
    )
    return api, login.extra.get("version", VERSION)


def _row(feed: Feed, item: Any, label: str) -> Row:
    action = feed.conversion or "purchase"
    return {
        "date": day_text(item.get("date_start"), f"{label}: date_start"),
        "platform": "meta",
        "account": feed.account,
        "campaign_id": str(item.get("campaign_id", "")),
        "campaign": str(item.get("campaign_name", "")),
        "group_id": str(item.get("adset_id", "")),
        "group": str(item.get("adset_name", "")),
        "currency": str(item.get("account_currency", "")),
        "spend": number(item.get("spend"), f"{label}: spend"),
        "budget": "",
        "impressions": number(item.get("impressions"), f"{label}: impressions"),
        "clicks": number(item.get("clicks"), f"{label}: clicks"),
        "conversions": _of_type(item.get("actions"), action, label),
        "revenue": _of_type(item.get("action_values"), action, label),
    }


def _of_type(actions: Any, wanted: str, label: str) -> str:
    for action in actions or []:
        if dig(action, "action_type") == wanted:
            return number(dig(action, "value"), f"{label}: {wanted}")
    return "0"


def fault_of(payload: Any) -> tuple[str, bool] | None:
    """Return what an answer says went wrong and whether waiting helps; None when it is good."""
    error = dig(payload, "error")
    if error is None:
        return None
    code = dig(error, "code")
    said = f"code {code}: {dig(error, 'message') or 'refused'}"
    is_busy = isinstance(code, int) and code in _BUSY
    return said[:300], is_busy or dig(error, "is_transient") is True
