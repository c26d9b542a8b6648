"""A limit on money, proposed in a form: in force once a second person, of finance, agrees.

Owner: finance. One DAG per portfolio folder of EQUIMARGINAL_PORTFOLIOS; nothing schedules it.
Trigger it with the form to propose a cap in your own name; trigger it with an empty form to put
every cap that waits before finance. The ledger, not Airflow, knows who may do what.

Runbook. `sign_off` fails: the ledger refused it (own proposal, wrong role, decided already), and
its words are in the log; trigger the DAG again with an empty form to ask another person.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG, Param, dag, task

from pipeline.airflow_plugin.cap_signoff import CapSignOff, put_before_finance
from pipeline.airflow_plugin.portfolios import CAPS_PREFIX, DAG_PREFIX, Listed, listed_portfolios


def amount(title: str) -> Param:
    """Return a field for money per day that may be left empty."""
    return Param(None, type=["null", "number"], minimum=0, title=title)


def day(title: str) -> Param:
    """Return a field for a day that may be left empty."""
    return Param(None, type=["null", "string"], format="date", title=title)


def cap_change(listed: Listed) -> DAG:
    """Return the DAG of one portfolio."""
    columns = listed.policy.line if listed.policy else ()
    scope: dict[str, Any] = {
        f"scope_{name}": Param(None, type=["null", "string"], maxLength=200, title=f"Only {name}")
        for name in columns
    }

    @dag(
        dag_id=listed.dag_id.replace(DAG_PREFIX, CAPS_PREFIX, 1),
        schedule=None,
        start_date=datetime(2000, 1, 1, tzinfo=UTC),
        default_args={"owner": "finance", "retries": 0},
        params={
            **scope,
            "max": amount("At most, per day"),
            "min": amount("At least, per day"),
            "fixed": amount("Exactly, per day"),
            "valid_from": day("From this day"),
            "expires": day("Until this day, itself included"),
            "reason": Param(None, type=["null", "string"], maxLength=2000, title="Why"),
        },
        tags=["equimarginal"],
        doc_md=__doc__,
    )
    def change() -> None:
        folder = str(listed.folder)
        waiting = task(task_id="propose")(put_before_finance)(folder)
        CapSignOff.partial(
            task_id="sign_off", folder=folder, finance=list(listed.finance), retries=0
        ).expand(cap_id=waiting)

    return change()


for portfolio in listed_portfolios():
    if not portfolio.problem:
        cap_change(portfolio)
