"""Every morning before the night: the platforms' newest days into the portfolio's files.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS whose settings
have feeds; the partition key is the business day D, and days up to D-1 are fetched. Safe to clear:
a day that is fetched again replaces itself, and a feed that fails keeps what it had. Runbook: the
message names the feed and what its platform said. Throttling is waited out here and tried again by
the scheduler; a refused login needs a new token in the connection; the night runs in any case, and
old data are noticed there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, dag, task

from pipeline.airflow_plugin.connections import pull
from pipeline.airflow_plugin.days import plan_day
from pipeline.airflow_plugin.portfolios import DAG_PREFIX, Listed, listed_portfolios
from pipeline.airflow_plugin.retries import RETRY_POLICY
from pipeline.airflow_plugin.timetable import BusinessDays

DAY = "{{ plan_day(dag_run, params, zone) }}"


def source_pull(listed: Listed) -> DAG:
    """Return the DAG of one portfolio with feeds."""

    @dag(
        dag_id=listed.dag_id.replace(DAG_PREFIX, "source_pull__", 1),
        schedule=BusinessDays(
            listed.schedule.pull_at, zone=listed.zone, first_day=listed.first_day
        ),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        catchup=False,  # the newest run reads every day that platforms may have restated
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
        doc_md=__doc__,
    )
    def feeds() -> None:
        task(do_xcom_push=False)(pull)(str(listed.folder), DAY)

    return feeds()


for portfolio in listed_portfolios():
    if portfolio.policy and portfolio.policy.feeds and not portfolio.problem:
        source_pull(portfolio)
