"""Where our pages are in Airflow's web application."""

from __future__ import annotations

PREFIX = "/equimarginal"


def plan_address(dag_id: str, plan_id: str) -> str:
    """Return the path of one plan's page."""
    return f"{PREFIX}/dags/{dag_id}/plans/{plan_id}"
