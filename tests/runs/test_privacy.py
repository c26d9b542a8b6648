"""Who withdraws is decided without and not learned from; of few people no figure is told."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.cli.app import build_app
from pipeline.core.clock import fixed_clock
from pipeline.core.decision import DecisionPlan
from pipeline.core.plan import Kind
from pipeline.io.ledger import Stated
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.signoff import approve_plan

DAY = date(2026, 11, 22)
KINDS = (Kind.ROTATION, Kind.OFFERS, Kind.CADENCE)
WHO = "buyer-of-all"
FEW = 23
PEOPLE = (
    {WHO: "many"} | {f"m{i}": "many" for i in range(300)} | {f"r{i}": "rare" for i in range(FEW)}
)
SETTINGS: dict[str, Any] = {
    "portfolio": "acme",
    "currency": "EUR",
    "line": ["channel"],
    "budget": {"daily": 100},
    "people": {"analysts": ["ana"], "finance": ["fin"]},
    "sources": {
        "spend": {"path": "data/spend.csv"},
        "outcomes": {"path": "data/spend.csv"},
        "exposures": {"path": "data/exposures.csv"},
        "decisions": {"path": "data/decisions.csv"},
        "customers": {"path": "data/customers.csv"},
        "contacts": {"path": "data/contacts.csv"},
    },
    "rotation": {},
    "offers": {"actions": [{"action": "none"}, {"action": "news", "channel": "push"}]},
    "cadence": {"segment": ["stage"], "leaving": {"max_weekly": 0.2}},
}


def write_tables(folder: Path, has: Callable[[str], bool] = lambda person: True) -> None:
    """Write what these people saw, were given and brought; one of them brings very much."""
    rng = np.random.default_rng(5)
    rows: dict[str, list[str]] = {
        "exposures": ["date,audience,creative,clicks,person"],
        "decisions": ["date,person,segment,action,propensity,eligible,reward"],
        "customers": ["person,segment,consent"],
        "contacts": ["date,person,stage,dose,bucket,touches,value,leavers"],
    }

    def add(table: str, person: str, text: str) -> None:
        if has(person):
            rows[table].append(text)

    for place, (person, group) in enumerate(PEOPLE.items()):
        add("customers", person, f"{person},{group},push")
        for back in range(35, 0, -1):
            day = (DAY - timedelta(days=back)).isoformat()
            luck, buys = rng.random(), person == WHO
            creative = "ab"[(place + back) % 2]
            if back < 10 and (group == "many" or back == 1):
                clicks = int(buys or luck < 0.1)
                add("exposures", person, f"{day},{group},{creative},{clicks},{person}")
            if back in (15, 16):
                act, reward = ("none", "news")[(place + back) % 2], 90 if buys else int(luck < 0.2)
                add("decisions", person, f"{day},{person},{group},{act},0.5,none|news,{reward}")
            value = 500 if buys else round(luck, 2)
            text = f"{day},{person},{group},{1 + place % 2},{place % 7},1,{value},0"
            add("contacts", person, text)
    for table, lines in rows.items():
        (folder / "data" / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def portfolio(folder: Path, **sources: Any) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    text = {**SETTINGS, "sources": {**SETTINGS["sources"], **sources}}
    (folder / "portfolio.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    return folder


def at(folder: Path) -> Portfolio:
    return open_portfolio(folder, fixed_clock(datetime(2026, 11, 22, 6, tzinfo=UTC)))


def learned(plan: DecisionPlan) -> list[Any]:
    """Return everything of a plan that rests on people."""
    lines = [line.model_dump(mode="json") for line in plan.lines]
    return [lines, plan.expected, plan.status_quo, plan.uplift, plan.guardrails]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[Any, Any]]:
    """Return the three plans with somebody, after they withdrew, and as if they had never been."""
    base = tmp_path_factory.mktemp("privacy")
    stays, gone, never = (portfolio(base / name) for name in ("stays", "gone", "never"))
    write_tables(stays)
    shutil.copytree(stays / "data", gone / "data", dirs_exist_ok=True)
    portfolio(gone, withdrawals={"path": "data/gone.csv"})
    (gone / "data" / "gone.csv").write_text(f"person\n{WHO}\n", encoding="utf-8")
    write_tables(never, lambda person: person != WHO)
    found: dict[str, dict[Any, Any]] = {}
    for folder in (stays, gone, never):
        found[folder.name] = {kind: run_decision(at(folder), kind, DAY) for kind in KINDS}
        found[folder.name]["folder"] = folder
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_who_withdrew_is_decided_without_and_not_learned_from(
    nights: dict[str, dict[Any, Any]], kind: Kind
) -> None:
    stays, gone, never = (nights[name][kind] for name in ("stays", "gone", "never"))
    assert learned(gone) == learned(never)
    assert learned(gone) != learned(stays)
    (said,) = [item.message for item in gone.findings if item.check == "withdrawals"]
    assert "who withdrew" in said
    folder = nights["gone"]["folder"]
    for path in (folder / ".equimarginal").rglob("*"):
        assert not path.is_file() or WHO.encode() not in path.read_bytes(), path


def test_nothing_is_told_of_few_people(
    nights: dict[str, dict[Any, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = nights["gone"]["folder"]
    for kind in KINDS:
        plan = nights["gone"][kind]
        content = json.dumps(plan.content())
        small = [line for line in plan.lines if {"rare", "(other)"} & set(line.line.values())]
        assert small, kind
        assert all(line.expected is None for line in small)
        assert all(
            set(line.figures) <= {"fewer_than", "changed", "nights_losing", "new_beats_best"}
            for line in small
        )
        assert ("rare" in content) == (kind is not Kind.OFFERS)
        rails = [rail for rail in plan.guardrails if "rare" in rail.scope.values()]
        assert all(rail.expected is None and rail.current is None for rail in rails)
        page = (at(folder).state / "runs" / plan.plan_id / "report.html").read_text("utf-8")
        assert "too few to show" in page
        done = approve_plan(at(folder), plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
        assert done.folder is not None
        with (done.folder / f"{kind.value}.csv").open(encoding="utf-8", newline="") as file:
            names = set(csv.DictReader(file).fieldnames or ())
        assert not names & {"people", "expected", "impressions", "must_send", "leaving"}
        if kind is Kind.OFFERS:
            assert WHO not in (done.folder / "decisions.csv").read_text(encoding="utf-8")
    monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-22T06:00:00+00:00")
    capsys.readouterr()
    for command in ("rotate", "offers", "cadence"):
        build_app()(
            args=[command, "-w", str(folder), "--date", DAY.isoformat()], standalone_mode=False
        )
    shown = capsys.readouterr()
    for line in (shown.out + shown.err).splitlines():
        if "rare" in line or "(other)" in line:
            assert "of 100 cases" not in line
    assert WHO not in shown.out + shown.err
