"""The rotation's DAG in a real Airflow: asked in its own words, signed, published to its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from tests.dags.airflow_runs import DAY, Answers, load_dag
from tests.runs.test_rotation import daily_rows, write_rows

pytestmark = pytest.mark.usefixtures("airflow_home")


def test_an_analysts_approval_publishes_the_rotation(make_portfolio: Callable[[str], Path]) -> None:
    folder = make_portfolio("creative")
    settings = folder / "portfolio.yaml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("sources:", "rotation: {}\nsources:\n  exposures: {path: data/e.csv}", 1)
    settings.write_text(text, encoding="utf-8")
    write_rows(folder / "data" / "e.csv", daily_rows())
    with Answers("creative_rotation__creative", ("ana", "Approve")) as answers:
        run = load_dag("creative", "creative_rotation__").test(run_conf={"day": DAY})
    assert str(run.state) == "success"
    record = open_portfolio(folder).ledger.plan("latest-rotation")
    assert (record.status, record.decided_by, record.verified_by) == ("approved", "ana", "airflow")
    assert record.is_published
    (sheet,) = sorted((folder / "published").rglob("rotation.csv"))
    assert sheet.parent.name == record.plan_id
    (question,) = answers.asked
    assert record.content_hash in question
    assert "Sign new shares" in question
    assert f"/dags/creative_rotation__creative/plans/{record.plan_id})" in question
