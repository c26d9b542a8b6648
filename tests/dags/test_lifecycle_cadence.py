"""The cadence's DAG in a real Airflow: asked in its own words, signed, published to its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from pipeline.simulation.cadence.sample import add_cadence
from tests.dags.airflow_runs import DAY, Answers, load_dag

pytestmark = pytest.mark.usefixtures("airflow_home")


def test_an_analysts_approval_publishes_the_cadence(make_portfolio: Callable[[str], Path]) -> None:
    folder = make_portfolio("stages")
    add_cadence(folder)
    with Answers("lifecycle_cadence__stages", ("ana", "Approve")) as answers:
        run = load_dag("stages", "lifecycle_cadence__").test(run_conf={"day": DAY})
    assert str(run.state) == "success"
    record = open_portfolio(folder).ledger.plan("latest-cadence")
    assert (record.status, record.decided_by, record.verified_by) == ("approved", "ana", "airflow")
    assert record.is_published
    (sheet,) = sorted((folder / "published").rglob("cadence.csv"))
    assert sheet.parent.name == record.plan_id
    (question,) = answers.asked
    assert record.content_hash in question
    assert "Sign new touches a week" in question
