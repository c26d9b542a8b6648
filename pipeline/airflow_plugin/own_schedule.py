"""DAGs of one step on a schedule of its own, beside those that make plans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, dag, task

from pipeline.airflow_plugin.days import plan_day
from pipeline.airflow_plugin.portfolios import DAG_PREFIX, Listed
from pipeline.airflow_plugin.retries import RETRY_POLICY
from pipeline.airflow_plugin.timetable import BusinessDays

DAY = "{{ plan_day(dag_run, params, zone) }}"


def own_schedule(
    listed: Listed, prefix: str, at: str, step: Callable[[str, str], object], doc: str
) -> DAG:
    """Return a DAG of one step, given folder and day, that runs once every business day.

    Args:
        prefix: of its id; the portfolio's name follows.
        at: `HH:MM` in the portfolio's zone.
        doc: what the DAG's page says.
    """

    @dag(
        dag_id=listed.dag_id.replace(DAG_PREFIX, prefix, 1),
        schedule=BusinessDays(at, zone=listed.zone, first_day=listed.first_day),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,  # the newest run looks back on all days
        max_active_runs=1,
        default_args={
            "owner": "growth-analytics",
            "retries": 4,
            "retry_delay": timedelta(minutes=10),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": timedelta(hours=1),
        },
        params={"day": Param(None, type=["null", "string"], format="date", title="Business day")},
        user_defined_macros={"plan_day": plan_day, "zone": listed.zone},
        tags=["equimarginal"],
        doc_md=doc,
    )
    def own() -> None:
        task(do_xcom_push=False)(step)(str(listed.folder), DAY)

    return own()
