"""What the commands of rotation, offers and cadence tell a person at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.io.ledger import Stated
from pipeline.runs.signoff import approve_plan
from tests.runs import test_offers as offers
from tests.runs import test_rotation as rotation

SAME = {name: dict.fromkeys(rates, 0.1) for name, rates in offers.RATES.items()}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A portfolio whose log proves nothing."""
    offers.settings(tmp_path)
    offers.write_rows(tmp_path / "data" / "log-1.csv", offers.log_rows(SAME, people=200))
    offers.write_rows(tmp_path / "data" / "customers.csv", offers.customer_rows(100))
    return tmp_path


def told(*args: str) -> list[str]:
    done = CliRunner().invoke(build_app(), [*args, "--date", "2026-11-22"])
    return done.stdout.splitlines()


def test_a_hold_says_why_at_the_terminal(shop: Path) -> None:
    lines = told("offers", "-w", str(shop))
    assert "because No other policy is proved to earn more than the one in force." in lines
    assert sum(line.startswith("because ") for line in lines) > 1


def test_a_check_tells_decisions_apart_and_says_nothing_twice(shop: Path) -> None:
    text = (shop / "portfolio.yaml").read_text(encoding="utf-8")
    rotation.write_rows(shop / "data" / "exposures.csv", rotation.daily_rows(days=8))
    added = text.replace("sources:", "sources:\n  exposures: {path: data/exposures.csv}")
    (shop / "portfolio.yaml").write_text(added + "rotation: {}\n", encoding="utf-8")
    lines = told("check", "-w", str(shop))
    assert len(lines) == len(set(lines))
    assert "pass    data: rotation: every check of the input passed" in lines
    assert any(line.startswith("pass    offers: No other policy") for line in lines)
    assert any(line.startswith("fail    ") and "spend" in line for line in lines)


def test_a_score_holds_every_kind_against_what_came(tmp_path: Path) -> None:
    rotation.settings(tmp_path, {**rotation.RULES, "holdout": 0.05})
    rotation.write_rows(tmp_path / "data" / "exposures.csv", rotation.held_rows())
    young = told("score", "-w", str(tmp_path))
    assert young[-1] == "rotation: no rotation was ever signed, so nothing changes"
    plan = rotation.run_rotation(rotation.at(tmp_path), rotation.DAY)
    approve_plan(rotation.at(tmp_path), plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
    done = CliRunner().invoke(build_app(), ["score", "-w", str(tmp_path), "--date", "2026-11-23"])
    lines = done.stdout.splitlines()
    assert lines[0] == f"rotation: {plan.plan_id}"
    assert any("over the people held out" in line for line in lines)
    assert "score: the sources cannot be used" in str(done.exception)  # budgets have no data here
    kept = tmp_path / ".equimarginal" / "scores" / "2026-11-23-decisions.json"
    (score,) = json.loads(kept.read_text(encoding="utf-8"))
    assert score["in_force"] == plan.plan_id
    assert {item["check"] for item in score["checks"]} >= {"even split", "holdout"}
