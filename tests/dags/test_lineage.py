"""Lineage through Airflow's own OpenLineage provider, where it is installed: files, no secrets."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dags.airflow_runs import DAY, ROOT

pytestmark = [
    pytest.mark.usefixtures("airflow_home"),
    pytest.mark.skipif(
        importlib.util.find_spec("openlineage") is None,
        reason="the OpenLineage provider is not installed; docs/operations.md says how",
    ),
]
MakePortfolio = Callable[[str], Path]
SECRET = "geheim-4711"
RUN = """
import sys
from tests.dags.airflow_runs import load_dag
run = load_dag(sys.argv[1], "scoring__").test(run_conf={"day": sys.argv[2]})
assert str(run.state) == "success", run.state
"""


def test_runs_of_tasks_are_reported_to_a_file_and_tell_no_secret(
    make_portfolio: MakePortfolio, tmp_path: Path
):
    events_file = tmp_path / "lineage.json"
    folder = make_portfolio("lineage")
    from datetime import date, timedelta

    from pipeline import open_portfolio, run_night

    run_night(open_portfolio(folder), date.fromisoformat(DAY) - timedelta(days=3))
    transport = {"type": "file", "log_file_path": str(events_file), "append": True}
    done = subprocess.run(
        [sys.executable, "-c", RUN, "lineage", DAY],
        cwd=ROOT,
        env={
            **os.environ,
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "equimarginal",
            "AIRFLOW_CONN_SHOP": f"postgresql://reader:{SECRET}@db.example/shop",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = events_file.read_text("utf-8")
    events = [json.loads(line) for line in text.splitlines() if line]
    jobs = {event["job"]["name"] for event in events}
    assert "scoring__lineage.score" in jobs
    kinds = {event["eventType"] for event in events if event["job"]["name"].endswith(".score")}
    assert {"START", "COMPLETE"} <= kinds
    assert all(event["job"]["namespace"] == "equimarginal" for event in events)
    for secret in (SECRET, "ana-secret", os.environ["AIRFLOW__API_AUTH__JWT_SECRET"]):
        assert secret not in text
