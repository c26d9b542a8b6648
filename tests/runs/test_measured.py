"""Nights of portfolios whose outcomes nobody attributed: totals, regions, days and weeks."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.core.errors import ConfigError, DataNotTrustedError
from pipeline.core.plan import Mode, Plan
from pipeline.core.policy import parse_policy
from pipeline.runs.checking import replay_plan
from pipeline.simulation.mix import make_mix
from tests.runs.shop import DAY, Shop
from tests.runs.test_real_data import assert_presentable, needs, plan_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "mmm_simulated"
ROBYN = DATA / "robyn_dt_simulated_weekly.csv"
MERIDIAN = DATA / "meridian_geo_media_weekly.parquet"


def totals(shop: Shop, *, days: int = 200, seed: int = 3, n_lines: int = 3) -> Shop:
    """Turn a shop into one that knows only the day's total, with curves of a known market."""
    mix = make_mix(seed, n_lines=n_lines, n_days=days)
    begin = DAY - timedelta(days=days)
    names = [(begin + timedelta(days=i)).isoformat() for i in range(days)]
    shop.columns, shop.settings["line"] = ("channel",), ["channel"]
    shop.settings["budget"] = {"daily": round(float(mix.usual.sum()), 2)}
    shop.settings["sources"]["outcomes"] |= {"by": [], "controls": ["demand_index"]}
    shop.spend = [
        {"date": day, "channel": name, "spend": round(float(mix.spend[i, j]), 2)}
        for i, day in enumerate(names)
        for j, name in enumerate(mix.names)
    ]
    shop.outcomes = [
        {
            "date": day,
            "revenue": round(float(mix.outcome[i]), 2),
            "demand_index": round(float(mix.index[i]) - 1, 4),
        }
        for i, day in enumerate(names)
    ]
    return shop


def check(plan: Plan, name: str) -> str:
    return next(item.message for item in plan.model_health.checks if item.check == name)


def test_a_daily_total_gets_a_plan_and_says_what_it_rests_on(shop):
    plan = totals(shop).night()
    assert plan.mode in {Mode.OPTIMISED, Mode.HOLD}
    assert len(plan.lines) == 3
    assert all(line.marginal_return.p05 >= 0 for line in plan.lines)
    assert "known as one total, not line by line" in check(plan, "model.joint")
    assert "one joint fit of 200 days" in check(plan, "model.joint")
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "one joint fit of 200 days" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()
    assert shop.approve().record.status == "approved"


def test_the_next_night_compares_with_this_one(shop):
    totals(shop).night()
    shop.approve()
    shop.outcomes[50]["revenue"] *= 3
    plan = shop.night(shop.later())
    assert plan.mode is not Mode.FALLBACK
    assert any(item.check == "restated" and item.source == "outcomes" for item in plan.findings)


def test_a_fit_that_claims_more_than_there_is_moves_no_money(shop):
    """Budgets rest as they are, and at the top of the page stands why."""
    totals(shop, days=364)
    spent = {row["date"]: 0.0 for row in shop.outcomes}
    for row in shop.spend:
        spent[row["date"]] += row["spend"]
    usual = sum(spent.values()) / len(spent)
    rng = np.random.default_rng(0)
    for row in shop.outcomes:
        noise = 0.3 * usual * rng.standard_normal()
        row["revenue"] = round(max(4 * (spent[row["date"]] - 0.7 * usual) + noise, 1.0), 2)
    plan = shop.night()
    assert plan.mode is Mode.HOLD
    assert plan.reasons[0] == "the model failed; budgets stay as they are"
    assert plan.reasons[1].startswith("model.share: spend causes 12")
    assert all(line.proposed == line.current for line in plan.lines)
    assert plan.expected is None
    page = shop.run(plan).read_bytes("report.html").decode()
    top = page[page.index("Before you sign") : page.index("Data and model</h2>")]
    assert "no spend causes more than there is" in top
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_a_silent_total_stops_the_model(shop):
    totals(shop)
    for row in shop.outcomes[-3:]:
        row["revenue"] = 0
    with pytest.raises(DataNotTrustedError, match="almost no revenue"):
        shop.night()


def test_a_missing_line_column_names_the_setting(shop):
    for row in shop.outcomes:
        del row["audience"]
    with pytest.raises(DataNotTrustedError, match="no column 'audience'"):
        shop.night()
    from pipeline.runs.checking import check_portfolio

    found = check_portfolio(shop.portfolio, DAY)
    assert any("sources.outcomes.by" in item.advice for item in found)


def test_outcomes_by_region_are_fitted_region_by_region(shop):
    shop.settings["sources"]["outcomes"]["by"] = ["channel"]
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for row in shop.outcomes:
        key = (row["date"], row["channel"])
        into = summed.setdefault(key, {"date": key[0], "channel": key[1], "revenue": 0.0})
        into["revenue"] += row["revenue"]
    shop.outcomes = list(summed.values())
    plan = shop.night()
    assert len(plan.lines) == 5
    assert "known as 3 series" in check(plan, "model.joint")


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"outcomes": {"path": "o", "by": ["region"]}}, "by: .*region.* is not a line column"),
        ({"outcomes": {"path": "o", "controls": ["x"]}}, "controls need by"),
        (
            {"period": "week"},
            "fitted jointly; .* by: all line columns where they are known line by line",
        ),
        ({"spend": {"path": "s", "by": []}}, "by and controls belong to outcomes"),
        ({"outcomes": {"path": "o", "by": [], "wide": {"a": "b"}}}, "wide belongs to spend"),
        ({"outcomes": {"path": "o", "by": [], "controls": ["revenue"]}}, "revenue is maximised"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sources, said):
    settings = {
        "portfolio": "acme",
        "currency": "EUR",
        "line": ["channel"],
        "budget": {"daily": 1},
        "sources": {"spend": {"path": "s"}, "outcomes": {"path": "o"}, **sources},
    }
    with pytest.raises(ConfigError, match=said):
        parse_policy(settings, "portfolio.yaml")


def backtested(folder: Path, day: date, *arguments: str) -> str:
    """Return what the command says of a folder's past."""
    where = ["-w", str(folder), "--date", day.isoformat()]
    told = CliRunner().invoke(build_app(), ["backtest", *where, *arguments])
    assert told.exit_code == 0, told.output
    return told.stdout


def test_a_backtest_scores_a_total_and_says_what_it_cannot_tell(shop):
    totals(shop, days=120).write()
    answer = json.loads(backtested(shop.folder, DAY, "--weeks", "2", "--json"))
    assert (answer["summary"]["weeks"], answer["summary"]["known_by"]) == (2, "series")
    assert all(week["lines"] == 1 for week in answer["weeks"])
    assert answer["summary"]["error"] < 0.3
    assert answer["summary"]["decision"] is None
    shown = " ".join(backtested(shop.folder, DAY, "--weeks", "1").split())
    assert "1 week of revenue" in shown
    assert "the past cannot say whether outcomes follow the curves; lift tests can" in shown
    assert not (shop.folder / ".equimarginal" / "runs").exists()


@needs(ROBYN)
def test_a_wide_weekly_table_with_controls(tmp_path):
    file = tmp_path / "weekly.csv"
    rows = ROBYN.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(rows[:206]), encoding="utf-8")  # its last weeks spend next to nothing
    mapped = {"date": "DATE", "competitor_sales": "competitor_sales_B"}
    channels = ("tv", "ooh", "print", "facebook", "search")
    settings = {
        "portfolio": "weekly",
        "currency": "EUR",
        "line": ["channel"],
        "budget": {"daily": 5500},
        "people": {"analysts": ["ana"]},
        "sources": {
            "period": "week",
            "spend": {
                "path": "weekly.csv",
                "columns": {"date": "DATE"},
                "wide": {name: f"{name}_S" for name in channels},
            },
            "outcomes": {
                "path": "weekly.csv",
                "columns": mapped,
                "by": [],
                "controls": ["competitor_sales", "newsletter"],
            },
        },
    }
    plan, page = plan_of(tmp_path, date(2019, 10, 31), settings)  # a Thursday
    assert_presentable(plan, page)
    assert all(line.marginal_return.p05 >= -1e-9 for line in plan.lines)  # also where spend is 0
    assert {line.line["channel"] for line in plan.lines} == set(channels)
    assert "one joint fit of 156 weeks" in page
    told = json.loads(backtested(tmp_path, date(2019, 10, 31), "--weeks", "4", "--json"))
    assert told["summary"]["weeks"] == 4
    assert told["summary"]["total_error"] < 0.5


@needs(MERIDIAN)
def test_regions_of_a_weekly_table(tmp_path):
    channels = {f"channel {i}": f"Channel{i}_spend" for i in range(4)}
    settings = {
        "portfolio": "geos",
        "currency": "USD",
        "line": ["region", "channel"],
        "objective": {"maximize": "conversions"},
        "budget": {"daily": 110000},
        "people": {"analysts": ["ana"]},
        "sources": {
            "period": "week",
            "spend": {
                "path": str(MERIDIAN),
                "columns": {"date": "time", "region": "geo"},
                "wide": channels,
            },
            "outcomes": {
                "path": str(MERIDIAN),
                "columns": {
                    "date": "time",
                    "region": "geo",
                    "competition": "competitor_activity_score_control",
                    "sentiment": "sentiment_score_control",
                },
                "by": ["region"],
                "controls": ["competition", "sentiment"],
            },
        },
    }
    plan, page = plan_of(tmp_path, date(2024, 1, 22), settings)
    assert_presentable(plan, page)
    assert len(plan.lines) == 80
    assert "known as 20 series" in page
    told = json.loads(backtested(tmp_path, date(2024, 1, 22), "--weeks", "1", "--json"))
    assert [week["lines"] for week in told["weeks"]] == [20]
    assert told["summary"]["coverage"] >= 0.75
