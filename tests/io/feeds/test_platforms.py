from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipeline.core.policy import Feed
from pipeline.io.feeds import COLUMNS, Ask, Credentials, PlatformError, Window, fetch
from pipeline.io.web.api import ATTEMPTS
from tests.io.feeds.platform import Platform, platform

WEEK = Window(first=date(2026, 11, 15), last=date(2026, 11, 21))
EXTRA = {
    "developer_token": "dev-secret-token",
    "customer_id": "77",
    "client_id": "an-id",
    "client_secret": "client-secret",
    "refresh_token": "refresh-secret",
    "login_customer_id": "999-888-7777",
}


@pytest.fixture
def served() -> Iterator[Platform]:
    with platform() as server:
        yield server


class Waits(list[float]):
    """Sleeps that are only noted down."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def ask(
    served: Platform, name: str, waits: Waits | None = None, window: Window = WEEK, **more: Any
) -> list[Any]:
    feed = Feed.model_validate(
        {"platform": name, "connection": "conn", "account": "123456", **more}
    )
    account = Credentials(name="conn", host=served.url, token="bearer-secret", extra=EXTRA)
    return fetch(
        Ask(
            feed=feed,
            account=account,
            window=window,
            zone="Europe/Berlin",
            currency="EUR",
            sleep=waits if waits is not None else Waits(),
        )
    )


def google_row(day: str, cost: int, **more: Any) -> dict[str, Any]:
    return {
        "segments": {"date": day},
        "customer": {"currencyCode": "EUR"},
        "campaign": {"id": "11", "name": "Brand, DE"},
        "campaignBudget": {"amountMicros": "50000000"},
        "metrics": {
            "costMicros": str(cost),
            "impressions": "900",
            "clicks": "30",
            "conversions": 2.5,
            "conversionsValue": 120.25,
        },
        **more,
    }


def test_google_ads_pages_micros_and_todays_budget(served: Platform) -> None:
    served.says({"results": [google_row("2026-11-20", 12345678)], "nextPageToken": "more"})
    served.says({"results": [google_row("2026-11-21", 1)]})
    rows = ask(served, "google_ads")
    assert [row["spend"] for row in rows] == ["12.345678", "0.000001"]
    assert [row["budget"] for row in rows] == ["", "50"]
    assert rows[0]["campaign_id"] == "11"
    assert rows[0]["campaign"] == "Brand, DE"
    assert rows[0]["revenue"] == "120.25"
    first, second = served.asked
    assert first.path == "/v21/customers/123456/googleAds:search"
    assert "BETWEEN '2026-11-15' AND '2026-11-21'" in first.json["query"]
    assert "pageToken" not in first.json
    assert second.json["pageToken"] == "more"
    assert first.headers["authorization"] == "Bearer bearer-secret"
    assert first.headers["developer-token"] == "dev-secret-token"
    assert first.headers["login-customer-id"] == "9998887777"


def test_google_ads_by_ad_group_leaves_the_campaigns_budget_out(served: Platform) -> None:
    served.says({"results": [google_row("2026-11-21", 5, adGroup={"id": "7", "name": "g"})]})
    row = ask(served, "google_ads", level="group")[0]
    assert (row["group_id"], row["group"], row["budget"]) == ("7", "g", "")
    assert "campaign_budget" not in served.asked[0].json["query"]


def test_a_refresh_token_becomes_an_access_token(served: Platform) -> None:
    served.says({"access_token": "fresh-token", "expires_in": 3600})
    served.says({"results": []})
    account = Credentials(
        name="conn", host=served.url, extra={**EXTRA, "token_url": f"{served.url}/token"}
    )
    feed = Feed(platform="google_ads", connection="conn", account="123")
    asked = Ask(feed=feed, account=account, window=WEEK, zone="UTC", currency="EUR", sleep=Waits())
    assert fetch(asked) == []
    assert "grant_type=refresh_token" in served.asked[0].body
    assert "authorization" not in served.asked[0].headers
    assert served.asked[1].headers["authorization"] == "Bearer fresh-token"


def test_meta_counts_the_named_action_and_follows_cursors(served: Platform) -> None:
    row = {
        "date_start": "2026-11-21",
        "date_stop": "2026-11-21",
        "campaign_id": "c1",
        "campaign_name": "Prospecting",
        "account_currency": "EUR",
        "spend": "10.50",
        "impressions": "1000",
        "clicks": "12",
        "actions": [
            {"action_type": "link_click", "value": "12"},
            {"action_type": "purchase", "value": "3"},
        ],
        "action_values": [{"action_type": "purchase", "value": "99.9"}],
    }
    served.says(
        {"data": [row], "paging": {"cursors": {"after": "abc"}, "next": "https://elsewhere/x"}}
    )
    served.says({"data": [{**row, "actions": None}], "paging": {"cursors": {"after": "d"}}})
    rows = ask(served, "meta")
    assert [row["conversions"] for row in rows] == ["3", "0"]
    assert rows[0]["revenue"] == "99.9"
    assert served.asked[0].path == "/v24.0/act_123456/insights"
    assert served.asked[0].query["time_increment"] == "1"
    assert json.loads(served.asked[0].query["time_range"])["since"] == "2026-11-15"
    assert served.asked[1].query["after"] == "abc"
    assert "bearer-secret" not in served.asked[0].raw_query


def zipped(text: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("report.csv", text.encode("utf-8-sig"))
    return sink.getvalue()


MICROSOFT = (
    "TimePeriod,CampaignId,CampaignName,CurrencyCode,Spend,Impressions,Clicks,Conversions,Revenue\n"
    '2026-11-21,42,"Shoes, men",EUR,7.25,100,9,1,55\n'
)


def test_microsoft_submits_waits_and_unpacks(served: Platform) -> None:
    served.says({"ReportRequestId": "r-1"})
    served.says({"ReportRequestStatus": {"Status": "Pending"}})
    url = f"{served.url}/blob/report.zip"
    served.says({"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": url}})
    served.says(zipped(MICROSOFT))
    waits = Waits()
    rows = ask(served, "microsoft", waits)
    assert rows[0]["campaign"] == "Shoes, men"
    assert (rows[0]["spend"], rows[0]["conversions"]) == ("7.25", "1")
    assert len(waits) == 1
    assert served.asked[0].json["ReportRequest"]["Time"]["CustomDateRangeStart"]["Day"] == 15
    assert "authorization" not in served.asked[-1].headers


def test_microsoft_without_activity_has_no_file(served: Platform) -> None:
    served.says({"ReportRequestId": "r-1"})
    served.says({"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": None}})
    assert ask(served, "microsoft") == []


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"<html>sign in</html>"])
def test_microsoft_refuses_a_broken_archive(served: Platform, data: bytes) -> None:
    served.says({"ReportRequestId": "r-1"})
    status = {"Status": "Success", "ReportDownloadUrl": f"{served.url}/x"}
    served.says({"ReportRequestStatus": status})
    served.says(data)
    with pytest.raises(PlatformError, match="cannot be unpacked"):
        ask(served, "microsoft")


def tiktok(day: str, page: int, pages: int) -> dict[str, Any]:
    item = {
        "dimensions": {"campaign_id": "55", "stat_time_day": f"{day} 00:00:00"},
        "metrics": {
            "campaign_name": "Spark",
            "currency": "EUR",
            "spend": "3.10",
            "impressions": "70",
            "clicks": "4",
            "complete_payment": "1",
            "total_complete_payment_rate": "20.00",
        },
    }
    info = {"page": page, "total_page": pages}
    return {"code": 0, "message": "OK", "data": {"list": [item], "page_info": info}}


def test_tiktok_asks_thirty_days_at_a_time_and_pages(served: Platform) -> None:
    served.says(tiktok("2026-10-01", 1, 2))
    served.says(tiktok("2026-10-02", 2, 2))
    served.says(tiktok("2026-11-01", 1, 1))
    window = Window(first=date(2026, 10, 1), last=date(2026, 11, 9))
    rows = ask(served, "tiktok", window=window)
    assert [row["date"] for row in rows] == ["2026-10-01", "2026-10-02", "2026-11-01"]
    assert rows[0]["revenue"] == "20"
    spans = [(call.query["start_date"], call.query["end_date"]) for call in served.asked]
    assert spans == [("2026-10-01", "2026-10-30")] * 2 + [("2026-10-31", "2026-11-09")]
    assert served.asked[0].headers["access-token"] == "bearer-secret"


def linkedin(count: int, day: int = 21) -> dict[str, Any]:
    element = {
        "dateRange": {"start": {"year": 2026, "month": 11, "day": day}},
        "pivotValues": ["urn:li:sponsoredCampaign:321"],
        "costInLocalCurrency": "8.5",
        "impressions": 10,
        "clicks": 2,
        "externalWebsiteConversions": 1,
    }
    return {"elements": [element] * count, "paging": {"start": 0, "count": 10, "links": []}}


def test_linkedin_keeps_its_brackets_and_splits_what_would_be_cut_off(served: Platform) -> None:
    served.says({"id": 123456, "currency": "USD"})
    served.says(linkedin(15_000))
    for day in range(15, 22):
        served.says(linkedin(1, day))
    rows = ask(served, "linkedin")
    assert [row["date"] for row in rows] == [f"2026-11-{day}" for day in range(15, 22)]
    assert {row["currency"] for row in rows} == {"USD"}
    assert {row["campaign_id"] for row in rows} == {"321"}
    query = served.asked[1].raw_query
    assert "dateRange=(start:(year:2026,month:11,day:15),end:(year:2026,month:11,day:21))" in query
    assert "accounts=List(urn%3Ali%3AsponsoredAccount%3A123456)" in query
    assert served.asked[1].headers["x-restli-protocol-version"] == "2.0.0"


def test_linkedin_refuses_a_day_that_is_cut_off(served: Platform) -> None:
    served.says({"currency": "USD"})
    served.says(linkedin(15_000))
    with pytest.raises(PlatformError, match="cut off"):
        ask(served, "linkedin")


def ga4(rows: int, count: int, **metadata: Any) -> dict[str, Any]:
    row = {
        "dimensionValues": [{"value": v} for v in ("20261121", "google", "77", "Brand")],
        "metricValues": [{"value": "4"}, {"value": "210.5"}],
    }
    return {
        "rows": [row] * rows,
        "rowCount": count,
        "metadata": {"currencyCode": "EUR", **metadata},
    }


def test_ga4_reads_until_all_rows_are_there(served: Platform) -> None:
    served.says(ga4(2, 3))
    served.says(ga4(1, 3))
    rows = ask(served, "ga4")
    assert len(rows) == 3
    assert rows[0]["date"] == "2026-11-21"
    assert (rows[0]["platform"], rows[0]["campaign_id"]) == ("google", "77")
    assert served.asked[1].json["offset"] == "100000"


@pytest.mark.parametrize("key", ["dataLossFromOtherRow", "subjectToThresholding"])
def test_ga4_refuses_a_report_that_does_not_add_up(served: Platform, key: str) -> None:
    served.says(ga4(1, 1, **{key: True}))
    with pytest.raises(PlatformError, match="cannot add up"):
        ask(served, "ga4")


def deal(created: str, amount: float | None, stage: str, probability: float) -> dict[str, Any]:
    return {
        "attributes": {"type": "Opportunity"},
        "Amount": amount,
        "Probability": probability,
        "StageName": stage,
        "IsWon": stage == "Won",
        "CreatedDate": created,
        "LeadSource": "google_ads",
        "Utm_Campaign__c": "11",
    }


def test_salesforce_credits_deals_to_the_day_that_brought_them(served: Platform) -> None:
    following = "/services/data/v62.0/query/01g-2000"
    served.says(
        {
            "done": False,
            "nextRecordsUrl": following,
            "records": [
                deal("2026-11-20T23:30:00.000+0000", 1000, "Won", 100),  # the 21st in Berlin
                deal("2026-11-21T10:00:00.000+0000", 400, "Proposal", 50),
            ],
        }
    )
    served.says(
        {
            "done": True,
            "records": [
                deal("2026-11-21T11:00:00.000+0000", None, "New", 10),
                deal("2026-11-21T23:30:00.000+0000", 9, "New", 10),  # the 22nd in Berlin
            ],
        }
    )
    rows = ask(served, "salesforce", fields={"campaign": "Utm_Campaign__c"}, qualified=["Proposal"])
    assert len(rows) == 1
    row = rows[0]
    assert (row["date"], row["platform"], row["campaign_id"]) == ("2026-11-21", "google_ads", "11")
    assert (row["conversions"], row["qualified"], row["pipeline"], row["revenue"]) == (
        "3",
        "2",
        "1200",
        "1000",
    )
    assert served.asked[1].path == following


def test_salesforce_never_leaves_its_instance(served: Platform) -> None:
    served.says({"done": False, "nextRecordsUrl": "https://evil.example/x", "records": []})
    with pytest.raises(PlatformError, match="not on the instance"):
        ask(served, "salesforce")


REFUSALS: list[tuple[str, int, Any, str]] = [
    (
        "google_ads",
        403,
        {
            "error": {
                "code": 403,
                "status": "PERMISSION_DENIED",
                "message": "no",
                "details": [{"errors": [{"message": "The caller bearer-secret may not"}]}],
            }
        },
        "PERMISSION_DENIED",
    ),
    ("meta", 400, {"error": {"code": 190, "message": "Token bearer-secret expired"}}, "code 190"),
    ("microsoft", 400, {"Errors": [{"Code": 105, "Message": "bad bearer-secret"}]}, "105"),
    ("tiktok", 200, {"code": 40105, "message": "bearer-secret is invalid"}, "40105"),
    ("linkedin", 401, {"status": 401, "message": "bearer-secret"}, "answered 401"),
    ("ga4", 403, {"error": {"status": "PERMISSION_DENIED", "message": "bearer-secret"}}, "DENIED"),
    ("salesforce", 401, [{"errorCode": "INVALID_SESSION_ID", "message": "bearer-secret"}], "SESS"),
]


@pytest.mark.parametrize(("name", "status", "said", "match"), REFUSALS)
def test_a_refusal_is_said_once_in_one_line_without_the_secret(
    served: Platform, name: str, status: int, said: Any, match: str
) -> None:
    served.says(said, status)
    with pytest.raises(PlatformError, match=match) as caught:
        ask(served, name)
    assert len(served.asked) == 1
    assert "bearer-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


BUSY: list[tuple[str, int, Any]] = [
    ("google_ads", 429, {"error": {"status": "RESOURCE_EXHAUSTED", "message": "quota"}}),
    ("meta", 400, {"error": {"code": 17, "message": "User request limit reached"}}),
    ("microsoft", 400, {"Errors": [{"Code": 117, "Message": "CallRateExceeded"}]}),
    ("tiktok", 200, {"code": 40100, "message": "Too many requests"}),
    ("linkedin", 429, {"message": "slow down"}),
    ("ga4", 503, {"error": {"status": "UNAVAILABLE"}}),
    ("salesforce", 403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}]),
]
GOOD: dict[str, list[Any]] = {
    "google_ads": [{"results": []}],
    "meta": [{"data": []}],
    "microsoft": [{"ReportRequestId": "r"}, {"ReportRequestStatus": {"Status": "Success"}}],
    "tiktok": [{"code": 0, "data": {"list": [], "page_info": {"total_page": 1}}}],
    "linkedin": [{"currency": "EUR"}, {"elements": []}],
    "ga4": [{"rows": [], "rowCount": 0}],
    "salesforce": [{"done": True, "records": []}],
}


@pytest.mark.parametrize(("name", "status", "said"), BUSY)
def test_a_busy_platform_is_waited_for(served: Platform, name: str, status: int, said: Any) -> None:
    served.says(said, status, Retry_After="7") if status == 429 else served.says(said, status)
    served.says(said, status)
    for good in GOOD[name]:
        served.says(good)
    waits = Waits()
    assert ask(served, name, waits) == []
    assert waits == ([7.0, 4.0] if status == 429 else [2.0, 4.0])


@pytest.mark.parametrize(("name", "status", "said"), BUSY)
def test_a_platform_that_stays_busy_ends_in_one_line(
    served: Platform, name: str, status: int, said: Any
) -> None:
    served.says(said, status)
    waits = Waits()
    with pytest.raises(PlatformError, match="try again later"):
        ask(served, name, waits)
    assert len(served.asked) == ATTEMPTS
    assert len(waits) == ATTEMPTS - 1


@pytest.mark.parametrize("name", sorted(COLUMNS))
@pytest.mark.parametrize("data", [b"<html>maintenance</html>", b"", b"\xff\xfe"])
def test_an_answer_that_is_not_json_is_refused(served: Platform, name: str, data: bytes) -> None:
    served.says(data)
    with pytest.raises(PlatformError, match="not JSON"):
        ask(served, name)


@pytest.mark.parametrize("amount", ["NaN", "1,5", "12 EUR", "Infinity", [1]])
def test_an_amount_that_is_no_number_is_refused(served: Platform, amount: Any) -> None:
    served.says({"data": [{"date_start": "2026-11-21", "spend": amount}]})
    with pytest.raises(PlatformError, match=r"spend: got .* need a number"):
        ask(served, "meta")


def test_a_platform_out_of_reach_is_waited_for() -> None:
    with platform() as server:
        gone = server
    waits = Waits()
    with pytest.raises(PlatformError, match="cannot be reached"):
        ask(gone, "meta", waits)
    assert len(waits) == ATTEMPTS - 1


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_redirects_to_elsewhere_are_not_followed(served: Platform, name: str) -> None:
    served.says({}, 302, Location="http://127.0.0.1:1/")
    with pytest.raises(PlatformError, match="answered 302"):
        ask(served, name)


def test_a_window_is_parted_without_a_gap() -> None:
    window = Window(first=date(2026, 1, 1), last=date(2026, 12, 31))
    parts = list(window.parts(30))
    assert parts[0].first == window.first
    assert parts[-1].last == window.last
    for before, after in pairwise(parts):
        assert after.first == before.last + timedelta(days=1)
        assert (before.last - before.first).days == 29
