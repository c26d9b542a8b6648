"""The samples of rotation, offers and cadence run as they are and find their truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli.app import build_app
from pipeline.core.clock import fixed_clock
from pipeline.core.decision import DecisionPlan
from pipeline.core.findings import Level
from pipeline.core.plan import Kind, Mode
from pipeline.io.ledger import Stated
from pipeline.runs.decisions import run_decision
from pipeline.runs.portfolio import Portfolio, open_portfolio
from pipeline.runs.signoff import approve_plan
from pipeline.simulation.example import END

DAY = END + timedelta(days=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("samples") / "acme"
    args = ["init", str(made), "--creatives", "--offers", "--cadence"]
    build_app()(args=args, standalone_mode=False)
    return made


def opened(folder: Path) -> Portfolio:
    moment = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=6)
    return open_portfolio(folder, fixed_clock(moment))


def share(plan: DecisionPlan, **line: str) -> float:
    (found,) = [item.proposed for item in plan.lines if line.items() <= item.line.items()]
    return found


def test_creatives_are_split_by_what_they_earn(folder: Path) -> None:
    plan = run_decision(opened(folder), Kind.ROTATION, DAY)
    assert all(finding.level is not Level.FAIL for finding in plan.findings)
    assert share(plan, audience="returning", creative="price") > 0.8
    newcomer = share(plan, audience="new visitors", creative="creator clip")
    assert newcomer >= 0.5 / 6 - 1e-3  # half an even share until it is known
    assert approve_plan(
        opened(folder), plan.plan_id, "ana", Stated(content_hash=plan.content_hash)
    ).folder


def test_offers_differ_by_segment_as_they_truly_should(folder: Path) -> None:
    plan = run_decision(opened(folder), Kind.OFFERS, DAY)
    assert plan.mode is Mode.OPTIMISED
    everything = {"allowed": "none|voucher|news"}
    assert share(plan, segment="new", action="voucher", **everything) > 0.5
    assert share(plan, segment="active", action="news", **everything) > 0.5
    done = approve_plan(opened(folder), plan.plan_id, "ana", Stated(content_hash=plan.content_hash))
    assert any("people decided for" in note for note in done.notes)
