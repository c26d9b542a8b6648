"""A fit that Airflow spreads: tasks made at run time, and the plan of one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import open_portfolio
from pipeline.io.artefacts import list_work
from tests.dags.airflow_runs import DAY, load_dag

pytestmark = pytest.mark.usefixtures("airflow_home")


def test_a_fit_in_shards_runs_as_mapped_tasks(make_portfolio: Callable[[str], Path]) -> None:
    folder = make_portfolio("spread")
    settings = folder / "portfolio.yaml"
    shards = "\nshards: {above: 1, lines: 1}\n"
    settings.write_text(settings.read_text("utf-8") + shards, "utf-8")
    dag = load_dag("spread")
    spread = ("split", "learn", "fit")
    order = [task.task_id for task in dag.topological_sort()]
    assert [name for name in order if name in spread] == list(spread)
    assert dag.get_task("fit").trigger_rule == "all_done"
    run = dag.test(run_conf={"day": DAY, "ask": False})
    found = {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}
    assert found["learn", 0] == found["report", -1] == "success"
    portfolio = open_portfolio(folder)
    assert portfolio.ledger.plan("latest").plan.mode == "optimised"
    assert list_work(portfolio.runs) == []


def test_without_the_setting_a_night_has_one_task_for_its_fit(
    make_portfolio: Callable[[str], Path],
) -> None:
    make_portfolio("small")
    names = {task.task_id for task in load_dag("small").tasks}
    assert "fit" in names
    assert not {"split", "learn"} & names
