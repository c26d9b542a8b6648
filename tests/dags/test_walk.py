"""The whole path in a real browser: from Airflow's login to published files, and every way back."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import open_portfolio
from pipeline.core.policy import CapSpec
from pipeline.io.ledger import PlanRecord
from pipeline.io.ledger.records import AlteredError
from pipeline.runs import signoff
from pipeline.runs.audit import verify_portfolio
from tests.dags.airflow_runs import DAY, load_dag, states
from tests.dags.browser import CHROMIUM, Office, web_server
from tests.dags.conftest import NOW, PASSWORDS, SETTINGS

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs the system's chromium: apt-get install chromium"
)
MakePortfolio = Callable[[str], Path]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIMARGINAL_NOW", NOW)
        yield patch


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, desk: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    desk.setenv("EQUIMARGINAL_PORTFOLIOS", f"{folder}/*")
    return folder


@pytest.fixture(scope="module")
def office(airflow_home: Path, root: Path, desk: pytest.MonkeyPatch) -> Iterator[Office]:
    with web_server(airflow_home) as base:
        desk.setenv("AIRFLOW__API__BASE_URL", base)
        opened = Office(base, PASSWORDS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def portfolio_named(root: Path, sample_data: Path) -> MakePortfolio:
    def make(name: str) -> Path:
        folder = root / name
        shutil.copytree(sample_data, folder / "data")
        (folder / "portfolio.yaml").write_text(SETTINGS.format(name=name), encoding="utf-8")
        return folder

    return make


def the_plan(folder: Path) -> PlanRecord:
    portfolio = open_portfolio(folder)
    return portfolio.ledger.plan("latest", folder.name)


def sheets(folder: Path) -> list[Path]:
    return sorted((folder / "published").rglob("budgets.csv"))


def press(page: Any, choice: str, then: str) -> None:
    """Press the button of a question and wait for what Airflow says."""
    page.get_by_role("button", name=choice).click()
    page.get_by_text(then).first.wait_for()


@pytest.fixture(scope="module")
def signed(office: Office, portfolio_named: MakePortfolio) -> dict[str, Any]:
    """What two people see while a plan is signed: the wrong one first, then the right one."""
    folder = portfolio_named("signed")
    seen: dict[str, Any] = {"folder": folder}

    def act(question: str) -> None:
        finance, analyst = office.person("fin"), office.person("ana")
        finance.page.goto(question)
        press(finance.page, "Approve", then="Access Denied")
        seen["after the wrong person"] = the_plan(folder).status
        analyst.page.get_by_text("Browse").click()
        plan = analyst.opens(analyst.page.get_by_text("Latest plan"))
        seen["plan"] = plan.locator("main").inner_text()
        task = analyst.opens(plan.locator(".sign .go a"))
        task.get_by_text("The lines add up").wait_for()
        seen["task"] = task.locator("body").inner_text()
        seen["same question"] = task.url == question
        press(task, "Approve", then="response successful")

    seen["run"] = office.run(load_dag("signed"), {"day": DAY}, act)
    return seen


def test_an_analyst_signs_from_the_page_and_the_files_are_published(signed: dict[str, Any]) -> None:
    record = the_plan(signed["folder"])
    assert (record.status, record.decided_by, record.verified_by) == ("approved", "ana", "airflow")
    assert record.is_published
    (sheet,) = sheets(signed["folder"])
    with sheet.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["channel"], row["audience"]): float(row["budget"]) for row in rows} == (
        record.plan.budgets
    )
    for amount in record.plan.budgets.values():
        assert f"{amount:,.2f}" in signed["plan"]
    assert record.content_hash in signed["plan"]
    assert record.content_hash in signed["task"]
    assert signed["same question"]


def test_a_person_of_finance_signs_no_plan(signed: dict[str, Any]) -> None:
    assert signed["after the wrong person"] == "proposed"


def test_finance_puts_a_cap_in_force_and_an_analyst_does_not(
    signed: dict[str, Any], office: Office
) -> None:
    folder = signed["folder"]
    spec = CapSpec(scope={"channel": "search"}, max=4500)
    cap = signoff.propose_cap(open_portfolio(folder), spec, "ana", "the season needs room")

    def status() -> str:
        return open_portfolio(folder).ledger.cap(cap.id, "signed").status.value

    def act(question: str) -> tuple[str, str]:
        finance, analyst = office.person("fin"), office.person("ana")
        analyst.page.goto(question)
        press(analyst.page, "Approve", then="Access Denied")
        before = status()
        finance.page.goto(f"{office.base}/equimarginal/caps")
        asked = finance.page.locator("main").inner_text()
        finance.page.goto(question)
        finance.page.get_by_text("what it costs").wait_for()
        press(finance.page, "Approve", then="response successful")
        return before, asked

    before, asked = office.run(load_dag("signed", "cap_change__"), {}, act)[1]
    assert before == "proposed"
    assert "the season needs room" in asked
    assert status() == "approved"

    def in_force() -> str:
        page = office.person("fin").page
        page.goto(f"{office.base}/equimarginal/caps")
        return str(page.locator("section[aria-labelledby=force]").inner_text())

    text = office.do(in_force)
    assert "at most 4,500.00" in text
    assert "fin" in text


def test_a_refused_plan_publishes_nothing(office: Office, portfolio_named: MakePortfolio) -> None:
    folder = portfolio_named("refused")

    def act(question: str) -> None:
        page = office.person("ana").page
        page.goto(question)
        press(page, "Reject", then="response successful")

    run, _ = office.run(load_dag("refused"), {"day": DAY}, act)
    assert states(run)["publish"] == "skipped"
    assert (the_plan(folder).status, the_plan(folder).decided_by) == ("rejected", "ana")
    assert sheets(folder) == []


def test_a_plan_whose_limits_changed_after_it_was_shown_cannot_be_signed(
    office: Office, portfolio_named: MakePortfolio
) -> None:
    folder = portfolio_named("changed")

    def act(question: str) -> None:
        page = office.person("ana").page
        page.goto(question)
        page.get_by_text("The lines add up").wait_for()
        portfolio = open_portfolio(folder)
        spec = CapSpec(scope={"channel": "search"}, max=3000)
        cap = signoff.propose_cap(portfolio, spec, "ana", "")
        signoff.decide_cap(portfolio, cap.id, "fin", approve=True, why="")
        press(page, "Approve", then="response successful")

    run, _ = office.run(load_dag("changed"), {"day": DAY}, act)
    assert (states(run)["sign_off"], states(run)["publish"]) == ("failed", "upstream_failed")
    assert the_plan(folder).status == "proposed"
    assert sheets(folder) == []


def test_a_plan_whose_bytes_were_changed_after_it_was_shown_is_neither_signed_nor_shown(
    office: Office, portfolio_named: MakePortfolio
) -> None:
    folder = portfolio_named("edited")
    seen = []

    def act(question: str) -> None:
        page = office.person("ana").page
        page.goto(question)
        page.get_by_text("The lines add up").wait_for()
        record = the_plan(folder)
        proposed = json.dumps(record.plan.content()["lines"][0]["proposed"])
        with sqlite3.connect(folder / ".equimarginal" / "ledger.sqlite") as raw:
            raw.execute("drop trigger plan_is_fixed")
            changed = raw.execute(
                "update plan set content = replace(content, ?, ?)", (proposed, f"9{proposed}")
            )
            assert changed.rowcount == 1
        press(page, "Approve", then="response successful")
        page.goto(f"{office.base}/equimarginal/dags/daily_reallocation__edited/plans/latest")
        seen.append(page.locator("body").inner_text())
        errors = office.person("ana").errors
        errors[:] = [told for told in errors if "409" not in told]  # the status of that page

    run, _ = office.run(load_dag("edited"), {"day": DAY}, act)
    assert (states(run)["sign_off"], states(run)["publish"]) == ("failed", "upstream_failed")
    assert "must not be signed" in seen[0]
    assert "altered after it was stored" in seen[0]
    with pytest.raises(AlteredError):
        the_plan(folder)
    assert sheets(folder) == []
    told = {problem.message for problem in verify_portfolio(folder).problems}
    assert "its content is not what was proposed" in told


def test_a_plan_that_waited_too_long_cannot_be_signed(
    office: Office, portfolio_named: MakePortfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = portfolio_named("expired")

    def act(question: str) -> None:
        page = office.person("ana").page
        page.goto(question)
        page.get_by_text("The lines add up").wait_for()
        monkeypatch.setenv("EQUIMARGINAL_NOW", "2026-11-25T06:00:00+01:00")
        press(page, "Approve", then="response successful")

    run, _ = office.run(load_dag("expired"), {"day": DAY}, act)
    assert states(run)["publish"] == "skipped"
    assert the_plan(folder).status == "expired"
    assert sheets(folder) == []


def test_nothing_of_ours_complained_and_nobody_asked_for_anything_outside(
    signed: dict[str, Any], office: Office
) -> None:
    for name in ("ana", "fin"):
        person = office.do(lambda name=name: office.person(name))
        assert person.outside == []
        assert [error for error in person.errors if "equimarginal" in error] == []
