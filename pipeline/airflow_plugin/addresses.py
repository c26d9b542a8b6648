"""Where our pages are in Airflow's web application."""

from __future__ import annotations

from urllib.parse import quote

PREFIX = "/equimarginal"


def plan_address(dag_id: str, plan_id: str) -> str:
    """Return the path of one plan's page."""
    return f"{PREFIX}/dags/{dag_id}/plans/{plan_id}"


def sign_off_address(dag_id: str, run_id: str) -> str:
    """Return the path of a run's question to the signer, in Airflow's own pages."""
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/tasks/sign_off/required_actions"
