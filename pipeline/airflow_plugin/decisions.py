"""A nightly decision as a DAG: what every one of them has, so that a DAG file says only its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.configuration import conf
from airflow.sdk import DAG, Param, TriggerRule, chain, dag, task

from pipeline.airflow_plugin.addresses import sign_off_address
from pipeline.airflow_plugin.alarms import on_failure, sign_deadline
from pipeline.airflow_plugin.connections import at_destinations, extract
from pipeline.airflow_plugin.days import plan_day
from pipeline.airflow_plugin.portfolios import Listed
from pipeline.airflow_plugin.retries import RETRY_POLICY
from pipeline.airflow_plugin.signoff import SignOff, publish_signed
from pipeline.airflow_plugin.timetable import BusinessDays
from pipeline.core.plan import Kind
from pipeline.runs import shards
from pipeline.runs.course import course_of, finish, keep_sign_link, run_step

DAY = "{{ plan_day(dag_run, params, zone) }}"


def decision_dag(listed: Listed, kind: Kind, doc: str) -> DAG:
    """Return one portfolio's DAG of a decision: extract, its steps, report, sign-off, publish."""
    *steps, report = course_of(kind).steps

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
            "on_failure_callback": on_failure(str(listed.folder), kind),
        },
        deadline=sign_deadline(str(listed.folder), listed.schedule, kind),
        params={
            "day": Param(None, type=["null", "string"], format="date", title="Business day"),
            "ask": Param(True, type="boolean", title="Wait for the signature"),
        },
        user_defined_macros={"plan_day": plan_day, "zone": listed.zone},
        tags=["equimarginal", *(["broken"] if listed.problem else [])],
        doc_md=f"**Broken:** {listed.problem}" if listed.problem else doc,
    )
    def nightly() -> None:
        if listed.problem:
            task(portfolio_is_broken)(listed.problem)
            return
        folder = str(listed.folder)
        token = task(extract)(folder, DAY, kind.value)
        done: list[Any] = []
        for step in steps:
            if step.task == "fit" and listed.policy is not None and listed.policy.shards:
                done += sharded_fit(folder, token)
                continue
            run = task(task_id=step.task, do_xcom_push=False)(run_step)
            done.append(run(folder, token, kind.value, step.task))
        plan_id = task(task_id=report.task)(finish_with_link)(folder, token, kind.value)
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


def sharded_fit(folder: str, token: Any) -> list[Any]:
    """Return the tasks of a fit that is spread over workers: split, learn each shard, fit.

    A shard that failed for good does not stop the fit, which holds its lines; a split that failed
    does, because the fit is given nothing.
    """
    split = task(task_id="split")(shards.split)(folder, token)
    learn = task(task_id="learn", do_xcom_push=False)(shards.learn)
    learned = learn.partial(folder=folder, token=token).expand(shard=split)
    fit = task(task_id="fit", do_xcom_push=False, trigger_rule=TriggerRule.ALL_DONE)(shards.fit)
    return [split, learned, fit(folder, token, split)]


def finish_with_link(folder: str, token: str, kind: str, **context: Any) -> str:
    """Complete the night, whose page also tells where in Airflow its plan is signed."""
    address = sign_off_address(context["dag"].dag_id, context["run_id"])
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    if base:
        keep_sign_link(folder, token, base + address)
    with at_destinations(folder):  # a policy may sign the plan, which publishes it
        return finish(folder, token, kind)


def portfolio_is_broken(problem: str) -> None:
    """Fail with what is wrong, so that a broken portfolio is noticed and the others run."""
    from pipeline.core.errors import ConfigError

    raise ConfigError(problem)
