"""The offers' DAG in a real Airflow: asked, signed, published, and everybody decided for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from tests.dags.airflow_runs import DAY, Answers, load_dag
from tests.runs.test_offers import customer_rows, log_rows, write_rows

pytestmark = pytest.mark.usefixtures("airflow_home")

SECTION = """offers:
  actions:
    - {action: none}
    - {action: voucher, channel: email}
    - {action: news, channel: push}
sources:
  decisions: {path: data/log.csv}
  customers: {path: data/customers.csv}"""


def test_an_analysts_approval_decides_for_everybody(make_portfolio: Callable[[str], Path]) -> None:
    folder = make_portfolio("giving")
    settings = folder / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("sources:", SECTION, 1), encoding="utf-8")
    write_rows(folder / "data" / "log.csv", log_rows())
    write_rows(folder / "data" / "customers.csv", customer_rows())
    with Answers("next_best_offer__giving", ("ana", "Approve")) as answers:
        run = load_dag("giving", "next_best_offer__").test(run_conf={"day": DAY})
    assert str(run.state) == "success"
    record = open_portfolio(folder).ledger.plan("latest-offers")
    assert (record.status, record.decided_by) == ("approved", "ana")
    (drawn,) = sorted((folder / "published").rglob("decisions.csv"))
    assert drawn.parent.name == record.plan_id
    assert len(drawn.read_text(encoding="utf-8").splitlines()) == 801
    (question,) = answers.asked
    assert record.content_hash in question
