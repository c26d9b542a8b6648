from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from pipeline.runs.portfolio import open_portfolio
from pipeline.simulation.example import DAILY_BUDGET, example_world, write_example


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("example")
    write_example(path)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_example_opens_as_a_portfolio(folder: Path) -> None:
    policy = open_portfolio(folder).policy
    assert policy.line == ("channel", "audience")
    assert policy.budget.daily == DAILY_BUDGET
    assert len(policy.caps) == 3


def test_the_same_arguments_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_example(tmp_path)
    for name in ("portfolio.yaml", "data/spend.csv", "data/outcomes.csv", "truth.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_todays_budgets_add_up_and_obey_the_caps(folder: Path) -> None:
    spend = rows(folder / "data" / "spend.csv")
    newest = max(row["date"] for row in spend)
    today = [row for row in spend if row["date"] == newest]
    assert newest == "2026-11-21"
    assert sum(float(row["budget"]) for row in today) == DAILY_BUDGET
    by_channel: dict[str, float] = defaultdict(float)
    for row in today:
        by_channel[row["channel"]] += float(row["budget"])
    assert by_channel["tv"] == 1000
    assert by_channel["search"] <= 4000


def test_a_quiet_example_day_is_a_row_for_every_line(folder: Path) -> None:
    for name in ("spend", "outcomes"):
        table = rows(folder / "data" / f"{name}.csv")
        assert len(table) == 180 * 12
        assert len({(row["date"], row["channel"], row["audience"]) for row in table}) == 180 * 12


def test_status_quo_meets_the_guardrails(folder: Path) -> None:
    spend, outcomes = rows(folder / "data" / "spend.csv"), rows(folder / "data" / "outcomes.csv")
    complete = [i for i, row in enumerate(spend) if "2026-10-01" <= row["date"] <= "2026-10-31"]
    money = sum(float(spend[i]["spend"]) for i in complete)
    assert sum(float(outcomes[i]["revenue"]) for i in complete) / money > 2.7
    search = [i for i in complete if spend[i]["channel"] == "search"]
    cost = sum(float(spend[i]["spend"]) for i in search)
    assert cost / sum(float(outcomes[i]["conversions"]) for i in search) < 42


def test_average_roas_is_a_trap_in_the_example(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    by_line = {(row["channel"], row["audience"]): row for row in truth["lines"]}
    brand, generic = by_line["search", "brand"], by_line["search", "generic"]
    reported = {
        name: (row["organic_revenue"] + row["incremental_revenue_at_reference"])
        / row["reference_spend"]
        for name, row in (("brand", brand), ("generic", generic))
    }
    assert reported["brand"] > reported["generic"]
    assert brand["marginal_return"] < 0.5 * generic["marginal_return"]


def test_another_end_moves_the_calendar(tmp_path: Path) -> None:
    world, _ = example_world(end=date(2026, 3, 31), days=30)
    assert world.today == date(2026, 4, 1)
