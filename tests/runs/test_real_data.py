"""Whole nights on real advertising data, by column mapping alone."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.core.money import sum_money
from pipeline.core.plan import Mode, Plan
from pipeline.runs.night import run_night
from pipeline.runs.portfolio import open_portfolio
from tests.runs.shop import amounts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ADS = DATA / "budget_online_ads_daily" / "online_ads_2020-04_05.csv"
SONY = DATA / "budget_sony_aba" / "attendance_system_daily.csv"


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.is_file(), reason=f"{path.name} is not on this machine")


def plan_of(folder: Path, day: date, settings: dict) -> tuple[Plan, str]:
    """Run the night and return its plan and its page."""
    (folder / "portfolio.yaml").write_text(json.dumps(settings), encoding="utf-8")
    moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=5)
    portfolio = open_portfolio(folder, lambda: moment)
    plan = run_night(portfolio, day)
    page = folder / ".equimarginal" / "runs" / plan.plan_id / "report.html"
    return plan, page.read_text(encoding="utf-8")


def assert_presentable(plan: Plan, page: str) -> None:
    assert plan.status == "proposed"
    assert plan.mode in {Mode.OPTIMISED, Mode.HOLD}
    text = json.dumps(plan.to_json(), allow_nan=False)
    assert sum_money([item.proposed for item in plan.lines], plan.currency) == plan.budget
    for current, after in amounts(plan).values():
        assert after >= 0
        assert abs(after - current) <= 0.25 * current + 0.01
    assert plan.certificate.gap < 0.01
    assert plan.expected.p05 <= plan.expected.mean <= plan.expected.p95
    assert all(math.isfinite(item.marginal_return.mean) for item in plan.lines)
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert plan.content_hash in page
    assert ">nan<" not in page.lower()
    assert len(text) < 3_000_000


@needs(ADS)
def test_online_ads_by_campaign_audience_and_banner(tmp_path):
    settings = {
        "portfolio": "online-ads",
        "currency": "USD",
        "line": ["campaign", "audience", "banner"],
        "budget": {"daily": 1500},
        "people": {"analysts": ["ana"]},
        "sources": {
            "spend": {
                "path": str(ADS),
                "columns": {"spend": "advertiser_spend", "impressions": "displays"},
            },
            "outcomes": {
                "path": str(ADS),
                "columns": {
                    "conversions": "post_click_conversions",
                    "revenue": "post_click_sales_amount",
                },
            },
        },
    }
    plan, page = plan_of(tmp_path, date(2020, 6, 1), settings)
    assert_presentable(plan, page)
    assert len(plan.lines) > 20
    assert {item.line["campaign"] for item in plan.lines} >= {"camp 1", "camp 3"}


@needs(SONY)
@pytest.mark.parametrize("day", [date(2023, 7, 30), date(2023, 7, 31)])
def test_sub_campaigns_with_set_budgets(tmp_path, day):
    settings = {
        "portfolio": "sub-campaigns",
        "currency": "JPY",
        "timezone": "Asia/Tokyo",
        "line": ["campaign_name"],
        "objective": {"maximize": "conversions"},
        "budget": {"daily": 35000},
        "people": {"analysts": ["ana"]},
        "sources": {
            "spend": {
                "path": str(SONY),
                "columns": {
                    "spend": "cost",
                    "budget": "campaign_budget_total_amount",
                },
            },
            "outcomes": {"path": str(SONY), "columns": {"conversions": "ctv"}},
        },
    }
    plan, page = plan_of(tmp_path, day, settings)
    assert_presentable(plan, page)
    assert len(plan.lines) == 3
    assert not any(" 0.00 conversions" in item.reason for item in plan.lines)
    for current, after in amounts(plan).values():
        assert (current, after) == (int(current), int(after))
