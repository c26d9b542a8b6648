"""Every business day: last days' spend and outcomes in, a plan awaiting its signature out.

Owner: growth-analytics. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; the partition
key is the business day D that is planned, from data up to D-1. A failed task is safe to clear:
each step overwrites its own files. Nothing here spends money: a plan takes effect only once an
analyst signed it, and the ledger, not Airflow, knows whether that happened.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Param, chain, dag, task

from pipeline.airflow_plugin.connections import extract
from pipeline.airflow_plugin.days import plan_day
from pipeline.airflow_plugin.portfolios import Listed, listed_portfolios
from pipeline.airflow_plugin.retries import RETRY_POLICY
from pipeline.airflow_plugin.signoff import SignOff, publish_signed
from pipeline.airflow_plugin.timetable import BusinessDays
from pipeline.core.errors import ConfigError
from pipeline.runs import night

DAY = "{{ plan_day(dag_run, params, zone) }}"


def daily_reallocation(listed: Listed) -> DAG:
    """Return the DAG of one portfolio."""

    @dag(
        dag_id=listed.dag_id,
        schedule=BusinessDays(listed.schedule.at, zone=listed.zone, first_day=listed.first_day),
        start_date=datetime(2000, 1, 1, tzinfo=UTC),  # any past night may be asked for
        catchup=not listed.problem,
        max_active_runs=1,
        default_args={
            "owner": "growth-analytics",
            "retries": 2,
            "retry_delay": timedelta(minutes=2),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": timedelta(hours=1),
        },
        params={
            "day": Param(None, type=["null", "string"], format="date", title="Business day"),
            "ask": Param(True, type="boolean", title="Wait for the signature"),
        },
        user_defined_macros={"plan_day": plan_day, "zone": listed.zone},
        tags=["equimarginal", *(["broken"] if listed.problem else [])],
        doc_md=f"**Broken:** {listed.problem}" if listed.problem else __doc__,
    )
    def nightly() -> None:
        if listed.problem:
            task(portfolio_is_broken)(listed.problem)
            return
        folder = str(listed.folder)
        token = task(extract)(folder, DAY)
        steps = [
            night.stage,
            night.validate,
            night.score,
            night.fit,
            night.allocate,
            night.verify,
        ]
        done = [silent(step)(folder, token) for step in steps]
        plan_id = task(night.report)(folder, token)
        sign_off = SignOff(
            task_id="sign_off",
            folder=folder,
            plan_id=plan_id,
            day=DAY,
            analysts=listed.analysts,
            retries=0,
            execution_timeout=None,
        )
        publish = task(task_id="publish")(publish_signed)(folder, plan_id, DAY)
        chain(token, *done, plan_id, sign_off, publish)

    return nightly()


def silent(step: Callable[..., Any]) -> Any:
    """Return the step as a task that hands nothing on: data travels by file."""
    return task(do_xcom_push=False)(step)


def portfolio_is_broken(problem: str) -> None:
    """Fail with what is wrong, so that a broken portfolio is noticed and the others run."""
    raise ConfigError(problem)


for portfolio in listed_portfolios():
    daily_reallocation(portfolio)
