"""Which portfolios become DAGs, when their nights start, and that one cannot harm another."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.timetables.base import TimeRestriction

from pipeline.airflow_plugin.days import plan_day
from pipeline.airflow_plugin.portfolios import find_portfolio, latest_of, listed_portfolios
from pipeline.airflow_plugin.timetable import BusinessDays
from pipeline.core.errors import UsageError
from tests.dags.airflow_runs import ROOT

ALWAYS = TimeRestriction(earliest=pendulum.datetime(2000, 1, 1), latest=None, catchup=True)


def nightly(bag: DagBag) -> dict[str, Any]:
    """Return the DAGs that make plans; those for caps and for looking back are tested elsewhere."""
    others = ("cap_change__", "scoring__", "read_out__")
    return {name: dag for name, dag in bag.dags.items() if not name.startswith(others)}


def parsed() -> DagBag:
    return DagBag(str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="dags-folder")


def test_each_portfolio_becomes_a_dag_with_an_owner_and_a_signature(
    make_portfolio: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_portfolio("one"), make_portfolio("two")
    monkeypatch.setenv("EQUIMARGINAL_PORTFOLIOS", f"{first}{os.pathsep}{second}")
    bag = parsed()
    assert bag.import_errors == {}
    assert set(nightly(bag)) == {"daily_reallocation__one", "daily_reallocation__two"}
    for dag in nightly(bag).values():
        assert dag.owner == "growth-analytics"
        assert dag.catchup
        order = [task.task_id for task in dag.topological_sort()]
        steps = ["extract", "stage", "validate", "score", "fit", "allocate", "verify", "report"]
        assert order == [*steps, "sign_off", "publish"]
        sign_off = dag.get_task("sign_off")
        assert sign_off.defaults is None
        assert sign_off.response_timeout < timedelta(days=1)
        assert sign_off.assigned_users == [{"id": "ana", "name": "ana"}]


def test_a_broken_portfolio_fails_by_itself_and_says_why(
    make_portfolio: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_portfolio("good")
    broken = make_portfolio("bad")
    (broken / "portfolio.yaml").write_text("portfolio: bad\nbudgets: 5\n", encoding="utf-8")
    monkeypatch.setenv("EQUIMARGINAL_PORTFOLIOS", str(tmp_path / "*"))
    bag = parsed()
    assert bag.import_errors == {}
    assert set(nightly(bag)) == {"daily_reallocation__good", "daily_reallocation__bad"}
    dag = bag.dags["daily_reallocation__bad"]
    assert "broken" in dag.tags
    assert "budgets" in str(dag.doc_md)
    assert [task.task_id for task in dag.tasks] == ["portfolio_is_broken"]
    assert find_portfolio("daily_reallocation__bad") is None


def test_a_misspelt_folder_is_a_portfolio_with_a_problem(tmp_path: Path) -> None:
    (listed,) = listed_portfolios(str(tmp_path / "Nowhere Ltd"))
    assert listed.dag_id == "daily_reallocation__nowhere-ltd"
    assert "no such file" in listed.problem


def test_two_folders_with_one_name_do_not_share_a_dag(
    make_portfolio: Callable[[str], Path],
) -> None:
    first = make_portfolio("same")
    second = first.parent / "copy"
    second.mkdir()
    (second / "portfolio.yaml").write_bytes((first / "portfolio.yaml").read_bytes())
    one, two = listed_portfolios(f"{first}{os.pathsep}{second}")
    assert one.problem == ""
    assert str(first) in two.problem
    assert one.dag_id != two.dag_id


def test_missed_nights_are_caught_up_from_the_first_day_or_the_settings_age(
    make_portfolio: Callable[[str], Path],
) -> None:
    settings = make_portfolio("caught") / "portfolio.yaml"
    moment = datetime(2026, 11, 19, 23, 30, tzinfo=UTC).timestamp()
    os.utime(settings, (moment, moment))
    (listed,) = listed_portfolios()
    assert listed.first_day == date(2026, 11, 20)  # in Berlin
    text = settings.read_text("utf-8")
    settings.write_text(f'{text}schedule: {{at: "06:30", first_day: 2026-11-03}}\n', "utf-8")
    (listed,) = listed_portfolios()
    assert (listed.first_day, listed.schedule.at) == (date(2026, 11, 3), "06:30")


@pytest.mark.parametrize("at", ["05:00", "02:30", "00:00", "23:59"])
@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "Pacific/Apia"],
)
def test_every_business_day_has_exactly_one_night_through_clock_changes(at: str, zone: str) -> None:
    nights = BusinessDays(at, zone=zone, first_day=date(2026, 3, 1))
    nights = BusinessDays.deserialize(nights.serialize())
    info, keys = None, []
    for _ in range(260):
        info = nights.next_dagrun_info_v2(last_dagrun_info=info, restriction=ALWAYS)
        assert info is not None
        keys.append(info.partition_key)
        assert info.run_after.astimezone(ZoneInfo(zone)).date().isoformat() == info.partition_key
    assert keys == [(date(2026, 3, 1) + timedelta(days=n)).isoformat() for n in range(260)]


def test_a_run_is_for_the_day_asked_for_else_its_partition_else_its_date() -> None:
    moment = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    run = SimpleNamespace(partition_key="2026-11-20", logical_date=moment, run_after=moment)
    assert plan_day(run, {"day": "2026-11-19"}, "Europe/Berlin") == "2026-11-19"
    assert plan_day(run, {"day": None}, "Europe/Berlin") == "2026-11-20"
    run.partition_key = None
    assert plan_day(run, {}, "Europe/Berlin") == "2026-11-22"
    run.logical_date = None
    assert plan_day(run, {}, "UTC") == "2026-11-21"


@pytest.mark.parametrize("day", ["2026-13-01", "tomorrow", "../2026-11-22", "2026-11-22T00:00:00"])
def test_a_day_that_is_none_is_refused(day: str) -> None:
    with pytest.raises(UsageError, match="need a date"):
        plan_day(SimpleNamespace(partition_key=day), {}, "UTC")


def test_a_portfolio_with_a_rotation_gets_its_dag_and_the_others_do_not(
    make_portfolio: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_portfolio("plain")
    rotating = make_portfolio("rotating") / "portfolio.yaml"
    text = rotating.read_text(encoding="utf-8")
    text = text.replace("sources:", "rotation: {}\nsources:\n  exposures: {path: data/e.csv}", 1)
    rotating.write_text(text, encoding="utf-8")
    monkeypatch.setenv("EQUIMARGINAL_PORTFOLIOS", str(tmp_path / "*"))
    bag = parsed()
    assert bag.import_errors == {}
    found = {dag_id for dag_id in bag.dags if dag_id.startswith("creative_rotation__")}
    assert found == {"creative_rotation__rotating"}
    order = [task.task_id for task in bag.dags["creative_rotation__rotating"].topological_sort()]
    steps = ["extract", "stage", "validate", "split", "verify", "report"]
    assert order == [*steps, "sign_off", "publish"]
    listed = find_portfolio("creative_rotation__rotating")
    assert listed is not None
    assert latest_of("creative_rotation__rotating") == "latest-rotation"
    assert latest_of(listed.dag_id) == "latest"
