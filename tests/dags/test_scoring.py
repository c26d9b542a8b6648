"""Scoring and read-out in a real Airflow, on their own schedule, with their metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import open_portfolio, run_night
from pipeline.runs.experiments import Wish, assign
from tests.dags.airflow_runs import DAY, load_dag, states
from tests.experiments.test_known_answers import regions
from tests.runs.shop import write_csv

pytestmark = pytest.mark.usefixtures("airflow_home")
MakePortfolio = Callable[[str], Path]


@pytest.fixture
def gauges() -> Iterator[dict[str, float]]:
    """What is sent as gauges, through a backend in the place of StatsD."""
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk.observability import stats

    seen: dict[str, float] = {}

    class Kept(NoStatsLogger):
        @classmethod
        def gauge(cls, stat: str, value: float, *rest: Any, **more: Any) -> None:
            seen[stat] = value

    stats.initialize(factory=Kept, export_legacy_names=False)
    yield seen
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


def test_plans_are_scored_and_their_metrics_sent(
    make_portfolio: MakePortfolio, gauges: dict[str, float]
):
    folder = make_portfolio("scored")
    run_night(open_portfolio(folder), date.fromisoformat(DAY) - timedelta(days=3))
    run = load_dag("scored", "scoring__").test(run_conf={"day": DAY})
    assert str(run.state) == "success"
    kept = json.loads((folder / ".equimarginal" / "scores" / f"{DAY}.json").read_text("utf-8"))
    assert len(kept["plans"]) >= 1
    scored = {name: value for name, value in gauges.items() if "equimarginal" in name}
    assert scored["equimarginal.scored.plans_scored"] == 1
    assert scored["equimarginal.scored.alarms_in_force"] >= 0


def test_a_test_is_read_out_on_time_and_once(
    make_portfolio: MakePortfolio, gauges: dict[str, float], monkeypatch: pytest.MonkeyPatch
):
    folder = make_portfolio("read")
    dag = load_dag("read", "read_out__")
    assert states(dag.test(run_conf={"day": DAY})) == {"read_out": "skipped"}

    panel = regions(1)
    monkeypatch.setenv("EQUIMARGINAL_NOW", f"{panel.days[-15]}T06:00:00+01:00")
    from pipeline.runs.signoff import ready_ledger

    ready_ledger(open_portfolio(folder))
    file = folder / "sales.csv"
    assign(
        open_portfolio(folder),
        panel,
        Wish(units=2, days=14),
        "ana",
        name="spring",
        first_day=panel.days[-14],
        seed=1,
        scope={"channel": "tv"},
        hold=None,
        unit_column="region",
        data={"path": str(file), "unit": "region", "day": "date", "outcome": "sales"},
    )
    monkeypatch.setenv("EQUIMARGINAL_NOW", f"{panel.days[-1] + timedelta(days=1)}T06:00:00+01:00")
    assert states(dag.test(run_conf={"day": DAY})) == {"read_out": "failed"}  # no file yet
    write_csv(
        file,
        [
            {"region": unit, "date": day, "sales": panel.outcome[row, column]}
            for row, day in enumerate(panel.days)
            for column, unit in enumerate(panel.units)
        ],
    )
    assert states(dag.test(run_conf={"day": DAY})) == {"read_out": "success"}
    (record,) = open_portfolio(folder).ledger.experiments("read")
    assert [look["fraction"] for look in record.looks] == [1]
    assert gauges["equimarginal.read.tests_under_way"] == 0
    assert states(dag.test(run_conf={"day": DAY})) == {"read_out": "skipped"}
