"""From a platform's answers to a plan, by settings alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipeline.core.errors import ConfigError, StorageError, UsageError
from pipeline.runs.night import run_night
from pipeline.runs.pull import pull, pull_for
from tests.io.feeds.platform import Platform, platform
from tests.runs.shop import DAY, Shop


@pytest.fixture
def served() -> Iterator[Platform]:
    with platform() as server:
        yield server


def google(shop: Shop) -> dict[str, Any]:
    """Return the shop's rows as Google Ads tells them."""
    outcomes = {(row["date"], row["audience"]): row for row in shop.outcomes}
    results = []
    for row in shop.spend:
        outcome = outcomes[row["date"], row["audience"]]
        results.append(
            {
                "segments": {"date": row["date"]},
                "customer": {"currencyCode": "EUR"},
                "campaign": {"id": f"{row['channel']}-{row['audience']}", "name": row["audience"]},
                "metrics": {
                    "costMicros": str(round(row["spend"] * 1_000_000)),
                    "impressions": str(row["impressions"]),
                    "clicks": str(row["clicks"]),
                    "conversions": outcome["conversions"],
                    "conversionsValue": outcome["revenue"],
                },
            }
        )
    return {"results": results}


def connect(shop: Shop, served: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shop's settings name a feed and read nothing else."""
    connection = {"host": served.url, "password": "bearer", "extra": {"developer_token": "dev"}}
    monkeypatch.setenv("AIRFLOW_CONN_ADS", json.dumps(connection))
    shop.settings |= {
        "line": ["channel", "audience"],
        "feeds": {"google": {"platform": "google_ads", "connection": "ads", "account": "1"}},
        "sources": {
            name: {
                "path": "data/feeds/google/*.csv",
                "columns": {"channel": "platform", "audience": "campaign_id"},
            }
            for name in ("spend", "outcomes")
        },
    }
    shop.write()


def test_a_feed_becomes_files_and_the_files_a_plan(
    shop: Shop, served: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(shop, served, monkeypatch)
    served.says(google(shop))
    first = DAY - timedelta(days=42)
    (done,) = pull(shop.portfolio, DAY, first=first)
    assert (done.problem, done.rows) == ("", 42 * 5)
    plan = run_night(shop.portfolio, DAY)
    assert plan.mode == "optimised"
    assert ("google_ads", "search-brand") in plan.budgets


def test_a_feed_that_fails_keeps_its_files_and_stops_no_other(
    shop: Shop, served: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(shop, served, monkeypatch)
    shop.settings["feeds"]["meta"] = {"platform": "meta", "connection": "none", "account": "2"}
    shop.write()
    served.says(google(shop))
    google_feed, meta_feed = pull(shop.portfolio, DAY, first=DAY - timedelta(days=42))
    assert google_feed.problem == ""
    assert "feed meta: connection none: not found; set AIRFLOW_CONN_NONE" in meta_feed.problem
    before = {path: path.read_bytes() for path in google_feed.files}
    served.answers.clear()
    served.says({"error": {"status": "PERMISSION_DENIED", "message": "no"}}, 403)
    again, _ = pull(shop.portfolio, DAY)
    assert "PERMISSION_DENIED" in again.problem
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(StorageError, match=r"PERMISSION_DENIED.*; feed meta"):
        pull_for(shop.folder, str(DAY))


def test_what_cannot_be_pulled_is_said(
    shop: Shop, served: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write()
    with pytest.raises(ConfigError, match="has no feeds"):
        pull(shop.portfolio, DAY)
    connect(shop, served, monkeypatch)
    with pytest.raises(UsageError, match="unknown, need one of google"):
        pull(shop.portfolio, DAY, only="bing")
    with pytest.raises(UsageError, match="need a day before"):
        pull(shop.portfolio, DAY, first=DAY)


@pytest.mark.parametrize(
    ("form", "match"),
    [
        ("{not json", "cannot be read"),
        ('{"password": "x", "extra": {}}', "no 'developer_token'"),
        ("google://:bearer@ads.example/?login_customer_id=1", "no 'developer_token'"),
    ],
)
def test_a_connection_that_lacks_something_is_named_without_its_secret(
    shop: Shop,
    served: Platform,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    match: str,
) -> None:
    connect(shop, served, monkeypatch)
    monkeypatch.setenv("AIRFLOW_CONN_ADS", form)
    (done,) = pull(shop.portfolio, DAY)
    assert match in done.problem
    assert "bearer" not in done.problem


def test_the_command_says_what_it_read_and_fails_when_a_feed_did(
    open_shop: Callable[..., Shop],
    served: Platform,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pipeline.cli import main

    shop = open_shop("cli")
    connect(shop, served, monkeypatch)
    served.says(google(shop))
    command = ["equimarginal", "pull", "-w", str(shop.folder), "--date", str(DAY)]
    monkeypatch.setattr("sys.argv", [*command, "--from", "2026-10-11", "--json"])
    main()
    (said,) = json.loads(capsys.readouterr().out)
    assert (said["feed"], said["rows"], said["problem"]) == ("google", 210, "")
    monkeypatch.setenv("AIRFLOW_CONN_ADS", "")
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "google  feed google: connection ads: not found" in capsys.readouterr().out
