"""Caps in a real Airflow: proposed in a form, signed by finance through the ledger's door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import open_portfolio
from pipeline.airflow_plugin.cap_signoff import cap_question, put_before_finance
from pipeline.core.caps import Cap
from pipeline.core.errors import NotAllowedError, UsageError
from pipeline.runs import signoff
from tests.dags.airflow_runs import ROOT, Answers

pytestmark = pytest.mark.usefixtures("airflow_home")
MakePortfolio = Callable[[str], Path]


def load(name: str) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag.dags[f"cap_change__{name}"]


def caps(folder: Path) -> tuple[Cap, ...]:
    return open_portfolio(folder).ledger.caps(folder.name)


def form(**filled: Any) -> dict[str, Any]:
    names = (
        "max",
        "min",
        "fixed",
        "valid_from",
        "expires",
        "reason",
        "scope_channel",
        "scope_audience",
    )
    return {**dict.fromkeys(names), **filled}


def send(folder: Path, person: str, **filled: Any) -> list[str]:
    run = SimpleNamespace(triggering_user_name=person)
    return put_before_finance(str(folder), params=form(**filled), dag_run=run)


def test_a_cap_waits_until_finance_says_so_in_airflow(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("caps")
    (cap_id,) = send(folder, "ana", scope_channel="search", max=5000, reason="sale <b>")
    assert [cap.proposed_by for cap in caps(folder)] == ["ana"]
    people = (("ana", "Approve"), ("fin", "Approve"))
    with Answers("cap_change__caps", *people) as answers:
        run = load("caps").test(run_conf=form())  # an empty form: all that wait
    assert str(run.state) == "success"
    assert len(answers.asked) == 2
    assert "5,000.00 EUR a day" in answers.asked[0]
    assert "sale \\<b\\>" in answers.asked[0]
    (cap,) = caps(folder)
    assert (cap.id, cap.status, cap.decided_by) == (cap_id, "approved", "fin")
    entries = open_portfolio(folder).ledger.audit_entries()
    assert [entry.actor for entry in entries if entry.action == "denied"] == ["ana"]


def test_marking_the_cap_as_signed_puts_nothing_in_force(make_portfolio: MakePortfolio) -> None:
    folder = make_portfolio("forged_caps")
    send(folder, "ana", max=5000)
    load("forged_caps").test(run_conf=form(), mark_success_pattern="sign_off")
    assert [cap.status for cap in caps(folder)] == ["proposed"]


def test_who_sends_the_form_is_the_proposer_and_a_stranger_is_refused(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("strangers")
    for person in ("eve", "", "dag_test"):
        with pytest.raises(NotAllowedError):
            send(folder, person, max=5000)
    send(folder, "fin", max=5000)
    portfolio = open_portfolio(folder)
    (cap,) = caps(folder)
    with pytest.raises(NotAllowedError, match="somebody else of finance"):
        signoff.decide_cap(
            portfolio, cap.id, "fin", approve=True, why="", verified_by="airflow"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        ({"max": 10, "min": 20}, "min 20 is above its max 10"),
        ({"max": float("nan")}, "need a finite number"),
        ({"scope_channel": "search"}, "needs min, max or fixed"),
        ({"max": 10, "fixed": 20}, "fixed has no min or max"),
        ({"max": True}, "need a number"),
    ],
)
def test_a_form_that_contradicts_itself_is_refused_by_name(
    make_portfolio: MakePortfolio, filled: dict[str, Any], says: str
) -> None:
    folder = make_portfolio("contradictions")
    with pytest.raises(UsageError, match=says):
        send(folder, "ana", **filled)
    assert caps(folder) == ()


def test_the_question_names_the_days_and_says_when_the_cost_is_not_known(
    make_portfolio: MakePortfolio,
) -> None:
    folder = make_portfolio("questions")
    send(folder, "ana", fixed=100, valid_from="2026-11-27", expires="2026-11-30")
    text = cap_question(open_portfolio(folder), caps(folder)[0])
    for part in ("2026\\-11\\-27", "2026\\-11\\-30", "none given", "not known"):
        assert part in text or part.replace("\\", "") in text
