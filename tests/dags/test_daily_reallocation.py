"""The DAG in a real Airflow: who signs, what is published, and what no trick can publish."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipeline import open_portfolio
from pipeline.io.ledger import PlanRecord
from tests.dags.airflow_runs import DAY, ROOT, Answers, load_dag, states

pytestmark = pytest.mark.usefixtures("airflow_home")
MakePortfolio = Callable[[str], Path]


def the_plan(folder: Path) -> PlanRecord:
    portfolio = open_portfolio(folder)
    return portfolio.ledger.plan("latest", portfolio.policy.portfolio)


def published(folder: Path) -> list[Path]:
    return sorted((folder / "published").rglob("budgets.csv"))


def test_an_analysts_approval_publishes_the_plan(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("approved")
    with Answers("daily_reallocation__approved", ("ana", "Approve")) as answers:
        run = load_dag("approved").test(run_conf={"day": DAY})
    assert str(run.state) == "success"
    record = the_plan(folder)
    assert (record.status, record.decided_by, record.verified_by) == ("approved", "ana", "airflow")
    assert record.is_published
    (sheet,) = published(folder)
    assert sheet.parent.name == record.plan_id
    (question,) = answers.asked
    assert record.content_hash in question
    assert DAY in question
    assert f"/equimarginal/dags/daily_reallocation__approved/plans/{record.plan_id})" in question


def test_the_wrong_person_is_refused_and_the_right_one_may_reject(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("refused")
    people = (("fin", "Approve"), ("ana", "Reject"))
    with Answers("daily_reallocation__refused", *people) as answers:
        run = load_dag("refused").test(run_conf={"day": DAY})
    assert len(answers.asked) == 2
    assert states(run)["publish"] == "skipped"
    record = the_plan(folder)
    assert (record.status, record.decided_by) == ("rejected", "ana")
    assert published(folder) == []
    entries = open_portfolio(folder).ledger.audit_entries()
    assert [entry.actor for entry in entries if entry.action == "denied"] == ["fin"]


def test_where_a_plan_has_to_be_named_the_form_asks_until_it_is(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("restated")
    with (folder / "portfolio.yaml").open("a", encoding="utf-8") as settings:
        settings.write("approval: {restate: true}\n")

    def form(asked: int) -> dict[str, object]:
        record = the_plan(folder)
        total = record.total if asked > 1 else 1.0
        name = record.document.portfolio
        return {"portfolio": name, "total": total, "hash": record.content_hash}

    people = (("ana", "Approve"), ("ana", "Approve"))
    with Answers("daily_reallocation__restated", *people, form=form) as answers:
        run = load_dag("restated").test(run_conf={"day": DAY})
    assert (str(run.state), len(answers.asked)) == ("success", 2)
    assert (the_plan(folder).decided_by, len(published(folder))) == ("ana", 1)
    entries = open_portfolio(folder).ledger.audit_entries()
    (denied,) = [entry for entry in entries if entry.action == "denied"]
    assert "--total is 1.0" in denied.payload["why"]


def test_marking_the_signature_as_given_publishes_nothing(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("forged")
    run = load_dag("forged").test(run_conf={"day": DAY}, mark_success_pattern="sign_off")
    assert states(run)["sign_off"] == "success"
    assert states(run)["publish"] == "failed"
    assert the_plan(folder).status == "proposed"
    assert published(folder) == []


def test_a_run_that_asks_nobody_ends_with_a_proposed_plan(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("quiet")
    run = load_dag("quiet").test(run_conf={"day": DAY, "ask": False})
    assert str(run.state) == "success"
    assert states(run)["publish"] == "skipped"
    assert the_plan(folder).status == "proposed"
    runs = folder / ".equimarginal" / "runs" / the_plan(folder).plan_id
    assert json.loads((runs / "plan.json").read_text("utf-8"))["date"] == DAY
    assert (runs / "report.html").is_file()


def test_a_day_that_is_caught_up_late_is_for_the_record_whatever_the_policy_may_sign(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("backfilled")
    with (folder / "portfolio.yaml").open("a", encoding="utf-8") as settings:
        settings.write("approval: {auto_within: {line_change: 0.9, moved: 0.9}}\n")
    run = load_dag("backfilled").test(run_conf={"day": "2026-11-20"})
    assert (str(run.state), states(run)["publish"]) == ("success", "skipped")
    record = the_plan(folder)
    assert (record.document.date, record.status) == (date(2026, 11, 20), "proposed")
    assert published(folder) == []
    today = load_dag("backfilled").test(run_conf={"day": DAY})
    assert (str(today.state), the_plan(folder).decided_by) == ("success", "policy")
    assert len(published(folder)) == 1


def test_data_that_cannot_be_trusted_fails_at_once_and_proposes_nothing(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("broken_data")
    (folder / "data" / "spend.csv").write_text("date,channel\n", encoding="utf-8")
    run = load_dag("broken_data").test(run_conf={"day": DAY})
    assert str(run.state) == "failed"
    assert states(run)["allocate"] == "failed"
    assert states(run)["sign_off"] == "upstream_failed"
    assert open_portfolio(folder).ledger.plans() == ()


def test_the_dag_file_itself_is_short_and_names_its_owner() -> None:
    text = (ROOT / "dags" / "daily_reallocation.py").read_text(encoding="utf-8")
    assert "Owner: " in text
    assert text.count("\n") <= 110


class Forger(Answers):
    """Somebody with an operator's rights: writes XComs and marks the signature as given."""

    def __init__(self, dag_id: str, xcoms: dict[str, object]) -> None:
        super().__init__(dag_id, ("eve", "Approve"))
        self._xcoms = xcoms

    def _answer(self, person: str, choice: str) -> bool:
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        waiting = select(TaskInstance).where(
            TaskInstance.dag_id == self._dag_id, TaskInstance.state == "awaiting_input"
        )
        with create_session() as session:
            task = session.scalar(waiting)
            if task is None:
                return False
            for name, value in self._xcoms.items():
                XComModel.set(
                    key="return_value",
                    value=value,
                    dag_id=task.dag_id,
                    task_id=name,
                    run_id=task.run_id,
                    session=session,
                )
            task.state = "success"
            session.merge(task)
        return True


def test_a_forged_xcom_publishes_nothing(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("xcom")
    forged = {
        "chosen_options": ["Approve"],
        "responded_by_user": {"id": "ana", "name": "ana"},
    }
    with Forger("daily_reallocation__xcom", {"sign_off": forged}):
        run = load_dag("xcom").test(run_conf={"day": DAY})
    assert states(run)["sign_off"] == "success"
    assert states(run)["publish"] == "failed"
    assert (the_plan(folder).status, published(folder)) == ("proposed", [])


def test_another_days_signature_under_a_forged_plan_id_publishes_nothing(
    make_portfolio: MakePortfolio,
) -> None:
    from pipeline import run_night
    from pipeline.runs import signoff

    folder = make_portfolio("swapped")
    portfolio = open_portfolio(folder)
    signoff.set_paused(portfolio, "fin", "so that it is signed and not yet published", paused=True)
    earlier = run_night(portfolio, date.fromisoformat("2026-11-21"))
    signoff.approve_plan(portfolio, earlier.plan_id, "ana")
    signoff.set_paused(portfolio, "fin", "", paused=False)
    with Forger("daily_reallocation__swapped", {"report": earlier.plan_id}):
        run = load_dag("swapped").test(run_conf={"day": DAY})
    assert states(run)["publish"] == "failed"
    assert published(folder) == []
