"""Real tables run by mapping alone, and every night of their past is judged sensibly."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.findings import Level
from pipeline.core.policy import Policy, parse_policy
from pipeline.io import quality, warehouse
from pipeline.io.artefacts import RunFolder
from pipeline.io.facts import Facts
from pipeline.io.sources import read_snapshot

DATA = Path(__file__).parents[3] / "shared" / "data"

TABLES: dict[str, dict[str, Any]] = {
    "online ads": {
        "path": "budget_online_ads_daily/online_ads_2020-04_05.csv",
        "line": ["campaign", "audience", "banner"],
        "columns": {
            "spend": "advertiser_spend",
            "impressions": "displays",
            "conversions": "post_click_conversions",
            "revenue": "post_click_sales_amount",
        },
        "objective": "revenue",
        "budget": 2000,
        "day": date(2020, 6, 1),
        "shape": (61, 64),
        "spend": 247831.65,
        "reviews": {"paused"},
    },
    "attendance system": {
        "path": "budget_sony_aba/attendance_system_daily.csv",
        "line": ["campaign_name"],
        "columns": {
            "spend": "cost",
            "budget": "campaign_budget_total_amount",
            "clicks": "click",
            "conversions": "ctv",
        },
        "objective": "conversions",
        "budget": 20000,
        "day": date(2023, 7, 31),
        "shape": (425, 3),
        "spend": 9459068.35,
        "reviews": {"missing-lines", "budget-against-spend"},  # one line spends 4 % of what is set
    },
    "four campaigns": {
        "path": "budget_sony_aba/criteo_4campaigns_daily.csv",
        "line": ["campaign_name"],
        "columns": {"spend": "cost", "clicks": "click", "conversions": "ctv"},
        "objective": "conversions",
        "budget": 90000,
        "day": date(2024, 2, 1),
        "shape": (31, 4),
        "spend": 2226136.36,
        "reviews": {"line-step"},  # one campaign spent 513 after a week of 1290 and more
    },
}


def policy(table: dict[str, Any]) -> Policy:
    path = DATA / table["path"]
    if not path.exists():
        pytest.skip(f"the table {table['path']} is not on this machine")
    source = {"path": str(path), "columns": table["columns"]}
    return parse_policy(
        {
            "portfolio": "real",
            "currency": "USD",
            "line": table["line"],
            "objective": {"maximize": table["objective"]},
            "budget": {"daily": table["budget"]},
            "sources": {"spend": source, "outcomes": source},
        },
        "real",
    )


def build(settings: Policy, day: date, work: RunFolder) -> Facts:
    assert read_snapshot(settings, DATA, work) == []
    warehouse.build(work, settings, day, day)
    return warehouse.read_facts(work)


@pytest.mark.parametrize("name", TABLES)
def test_a_real_table_runs_by_mapping_alone(name: str, work: RunFolder) -> None:
    table = TABLES[name]
    settings = policy(table)
    facts = build(settings, table["day"], work)
    assert facts.spend.shape == table["shape"]
    assert facts.spend.sum() == pytest.approx(table["spend"], abs=0.01)
    found = quality.judge(work, settings, table["day"], with_suites=False).complete()
    assert not [item for item in found if item.level is Level.FAIL]
    assert {item.check for item in found if item.level is Level.REVIEW} == table["reviews"]
    history = warehouse.read_history(work, settings)
    assert history.trusted.mean() > 0.9


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("online ads", set()),  # a campaign of a tenth of the money ends: it is held
        (
            "attendance system",  # 23 days are missing, and one line now and then
            {"stale-spend", "stale-outcomes", "missing-lines", "spend-jump"},
        ),
        ("four campaigns", set()),
    ],
)
def test_past_nights_are_refused_only_for_days_that_are_missing(
    name: str, allowed: set[str], work: RunFolder
) -> None:
    settings = policy(TABLES[name])
    facts = build(settings, TABLES[name]["day"], work)
    jumps = 0
    for until in range(20, len(facts.days) + 1, 1 if len(facts.days) < 100 else 3):
        past = _until(facts, until)
        found = quality.judge_tables(past, settings, past.days[-1] + timedelta(days=1)).findings
        refused = {item.check for item in found if item.level is Level.FAIL}
        assert refused <= allowed
        jumps += "spend-jump" in refused
    assert jumps <= 2


def _until(facts: Facts, until: int) -> Facts:
    tables = ("spend", "has_spend_row", "budget", "impressions", "clicks", "has_outcome_row")
    return dataclasses.replace(
        facts,
        days=facts.days[:until],
        outcomes={name: values[:until] for name, values in facts.outcomes.items()},
        **{name: getattr(facts, name)[:until] for name in tables},
    )
