"""Salesforce: opportunities by the day they were created, with stage, close and value.

Documented wire format: GET services/data/vNN.0/query with SOQL, further pages at
`nextRecordsUrl`. Value comes late: a deal that closes months later belongs to the day that brought
it, so the whole window is read again each night and its rows replace the older ones.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.io.feeds.rows import Ask, Row, dig, number
from pipeline.io.web.api import MAX_PAGES, Api, PlatformError

VERSION = "v62.0"
_FIELDS = ("Amount", "Probability", "StageName", "IsWon", "CreatedDate")
_BUSY = {"REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"}


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day, source and campaign.

    `conversions` counts opportunities, `qualified` those in the feed's qualified stages or won,
    `pipeline` is amount times probability, `revenue` the amount of what was won.
    """
    feed, account = ask.feed, ask.account
    label = f"salesforce {feed.account}"
    if not account.host:
        raise PlatformError(f"connection {account.name}: needs host, the address of your instance")
    api = Api(
        label,
        account.host,
        headers={"Authorization": f"Bearer {account.token}"},
        secrets=account.secrets,
        sleep=ask.sleep,
        judge=_judge,
    )
    source, campaign = feed.fields.get("source", "LeadSource"), feed.fields.get("campaign")
    columns = [*_FIELDS, source, *([campaign] if campaign else [])]
    # A day of the portfolio's zone reaches into the neighbouring days of UTC.
    since, until = ask.window.first - timedelta(days=1), ask.window.last + timedelta(days=1)
    when = f"CreatedDate >= {since}T00:00:00Z AND CreatedDate <= {until}T23:59:59Z"
    query = " ".join(["SELECT", ", ".join(columns), "FROM Opportunity WHERE", when])
    records: list[Any] = []
    version = account.extra.get("version", VERSION)
    answer = api.get(f"services/data/{version}/query", q=query)
    for _ in range(MAX_PAGES):
        records += answer.get("records", [])
        if answer.get("done", True):
            return _added_up(ask, records, label)
        following = str(answer.get("nextRecordsUrl") or "")
        if not following.startswith("/"):
            raise PlatformError(f"{label}: the next page {following!r} is not on the instance")
        answer = api.get(following)
    raise PlatformError(f"{label}: more than {MAX_PAGES} pages; ask for fewer days")


def _added_up(ask: Ask, records: list[Any], label: str) -> list[Row]:
    sums: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(("conversions", "qualified", "pipeline", "revenue"), Decimal())
    )
    feed, window = ask.feed, ask.window
    source, campaign = feed.fields.get("source", "LeadSource"), feed.fields.get("campaign")
    for record in records:
        day = _local_day(record.get("CreatedDate"), ask.zone, label)
        if not window.first.isoformat() <= day <= window.last.isoformat():
            continue
        amount = Decimal(number(record.get("Amount"), f"{label}: Amount"))
        share = Decimal(number(record.get("Probability"), f"{label}: Probability")) / 100
        won = record.get("IsWon") is True
        named = str(record.get(campaign) or "") if campaign else ""
        total = sums[(day, str(record.get(source) or ""), named)]
        total["conversions"] += 1
        total["qualified"] += won or record.get("StageName") in feed.qualified
        total["pipeline"] += amount * share
        total["revenue"] += amount if won else 0
    return [
        {
            "date": day,
            "platform": found,
            "account": feed.account,
            "campaign_id": named,
            "campaign": named,
            "group_id": "",
            "group": "",
            "currency": ask.currency,
            **{name: number(value, label) for name, value in total.items()},
        }
        for (day, found, named), total in sums.items()
    ]


def _local_day(value: Any, zone: str, label: str) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise PlatformError(f"{label}: CreatedDate is {value!r}, need a moment") from None
    return moment.astimezone(ZoneInfo(zone)).date().isoformat()


def _judge(payload: Any) -> tuple[str, bool] | None:
    code = dig(payload, 0, "errorCode")
    if code is None:
        return None
    return f"{code}: {dig(payload, 0, 'message') or 'refused'}"[:300], code in _BUSY
