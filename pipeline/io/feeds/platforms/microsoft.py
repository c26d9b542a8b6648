"""Microsoft Advertising: a performance report, submitted, polled and downloaded.

Documented wire format: Reporting v13 over REST, POST GenerateReport/Submit and /Poll, a zip with
one CSV behind `ReportDownloadUrl`. The CSV has English headers and ISO days.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

from pipeline.core.policy import Feed
from pipeline.io.feeds.rows import Ask, Row, Window, day_text, dig, number
from pipeline.io.web.api import MAX_BYTES, Api, PlatformError
from pipeline.io.web.oauth import microsoft_token

BASE = "https://reporting.api.bingads.microsoft.com/Reporting/v13"
POLLS, POLL_SECONDS = 60, 10.0


def fetch(ask: Ask) -> list[Row]:
    """Return a row per day and campaign, or ad group where the feed's level says so."""
    feed, account = ask.feed, ask.account
    label = f"microsoft {feed.account}"
    token = microsoft_token(label, account, ask.sleep)
    api = Api(
        label,
        account.host or BASE,
        headers={
            "Authorization": f"Bearer {token}",
            "DeveloperToken": account.need("developer_token"),
            "CustomerId": account.need("customer_id"),
            "CustomerAccountId": feed.account,
        },
        secrets=(*account.secrets, token),
        sleep=ask.sleep,
        judge=_judge,
    )
    asked = api.post("GenerateReport/Submit", {"ReportRequest": _request(feed, ask.window)})
    url = _wait_for(api, str(asked.get("ReportRequestId", "")), label, ask.sleep)
    if not url:  # a report without rows has no file
        return []
    return [_row(feed, item, label) for item in _unzipped(api.download(url), label)]


def _request(feed: Feed, window: Window) -> dict[str, Any]:
    group = ["AdGroupId", "AdGroupName"] if feed.level == "group" else []
    kind = "AdGroup" if feed.level == "group" else "Campaign"
    return {
        "Type": f"{kind}PerformanceReportRequest",
        "Format": "Csv",
        "FormatVersion": "2.0",
        "ExcludeReportHeader": True,
        "ExcludeReportFooter": True,
        "ReturnOnlyCompleteData": False,
        "Aggregation": "Daily",
        "Scope": {"AccountIds": [feed.account]},
        "Time": {
            "CustomDateRangeStart": _parts(window.first),
            "CustomDateRangeEnd": _parts(window.last),
        },
        "Columns": [
            "TimePeriod",
            "CampaignId",
            "CampaignName",
            *group,
            "CurrencyCode",
            "Spend",
            "Impressions",
            "Clicks",
            "Conversions",
            "Revenue",
        ],
    }


def _parts(day: date) -> dict[str, int]:
    return {"Day": day.day, "Month": day.month, "Year": day.year}


def _wait_for(api: Api, request: str, label: str, sleep: Callable[[float], None]) -> str:
    for _ in range(POLLS):
        status = api.post("GenerateReport/Poll", {"ReportRequestId": request})
        state = dig(status, "ReportRequestStatus", "Status")
        if state == "Success":
            return str(dig(status, "ReportRequestStatus", "ReportDownloadUrl") or "")
        if state != "Pending":
            raise PlatformError(f"{label}: the report ended as {state!r}; ask again")
        sleep(POLL_SECONDS)
    raise PlatformError(f"{label}: the report was not ready after {POLLS * POLL_SECONDS:.0f} s")


def _unzipped(data: bytes, label: str) -> list[dict[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) != 1 or archive.getinfo(names[0]).file_size > MAX_BYTES:
                raise PlatformError(f"{label}: the report's archive is not one file of a sane size")
            text = archive.read(names[0]).decode("utf-8-sig")
    except (zipfile.BadZipFile, UnicodeDecodeError, OSError) as error:
        raise PlatformError(f"{label}: the report cannot be unpacked: {error}") from None
    return list(csv.DictReader(io.StringIO(text)))


def _row(feed: Feed, item: dict[str, str], label: str) -> Row:
    return {
        "date": day_text(item.get("TimePeriod"), f"{label}: TimePeriod"),
        "platform": "microsoft",
        "account": feed.account,
        "campaign_id": item.get("CampaignId", ""),
        "campaign": item.get("CampaignName", ""),
        "group_id": item.get("AdGroupId", ""),
        "group": item.get("AdGroupName", ""),
        "currency": item.get("CurrencyCode", ""),
        "spend": number(item.get("Spend"), f"{label}: Spend"),
        "budget": "",
        "impressions": number(item.get("Impressions"), f"{label}: Impressions"),
        "clicks": number(item.get("Clicks"), f"{label}: Clicks"),
        "conversions": number(item.get("Conversions"), f"{label}: Conversions"),
        "revenue": number(item.get("Revenue"), f"{label}: Revenue"),
    }


def _judge(payload: Any) -> tuple[str, bool] | None:
    error = dig(payload, "Errors", 0) or dig(payload, "OperationErrors", 0)
    if error is None:
        return None
    code = dig(error, "ErrorCode") or dig(error, "Code")
    said = f"{code}: {dig(error, 'Message') or 'refused'}"
    return said[:300], code in {"CallRateExceeded", 117, 207, "ConcurrentRequestOverLimit"}
