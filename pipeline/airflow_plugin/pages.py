"""Our pages inside Airflow's interface, behind its login and its permissions per DAG."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.xcom import XComModel
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Response
from fastapi.responses import HTMLResponse

from pipeline.airflow_plugin.portfolios import (
    DAG_PREFIX,
    find_portfolio,
    latest_of,
    listed_portfolios,
)
from pipeline.core.errors import NotFoundError, PipelineError
from pipeline.io.artefacts import open_run
from pipeline.runs.portfolio import Portfolio, open_portfolio

IDENTIFIER = r"^[a-z0-9][a-z0-9_-]{0,63}$"
DAG_IDENTIFIER = r"^[a-z0-9][a-z0-9_-]{0,199}$"
REPORT = "report.html"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Takes a report out of Airflow's origin, so that nothing in it could use the reader's session.
# The report carries its own, stricter policy beside it.
_SANDBOX = "; sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

DagId = Annotated[str, Path(pattern=DAG_IDENTIFIER)]
PlanId = Annotated[str, Path(pattern=IDENTIFIER)]
READS_DAG = Depends(requires_access_dag(method="GET"))


def create_app() -> FastAPI:
    """Return the application; every route of it asks for Airflow's login."""
    app = FastAPI(title="Equimarginal", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/latest")
    def latest(user: GetUserDep) -> Response:
        """Show the newest plan; with several portfolios, the newest of each to choose from."""
        return _of_one(user, "Latest plans", "plans/latest", lambda one: _plan_page(one, "latest"))

    @app.get("/plans")
    def plans(user: GetUserDep) -> Response:
        """Show all plans of a portfolio."""
        return _of_one(user, "Plans", "plans", _index_page)

    @app.get("/caps")
    def caps(user: GetUserDep) -> Response:
        """Show the caps of a portfolio, those that wait for finance first."""
        return _of_one(user, "Caps", "caps", _caps_page)

    @app.get("/dags/{dag_id}/plans", dependencies=[READS_DAG])
    def plans_of(dag_id: DagId) -> Response:
        """Show all plans of one portfolio."""
        return _index_page(_portfolio(dag_id), base="plans/")

    @app.get("/dags/{dag_id}/caps", dependencies=[READS_DAG])
    def caps_of(dag_id: DagId) -> Response:
        """Show the caps of one portfolio."""
        return _caps_page(_portfolio(dag_id))

    @app.get("/dags/{dag_id}/plans/{plan_id}", dependencies=[READS_DAG])
    def plan(dag_id: DagId, plan_id: PlanId) -> Response:
        """Show one plan's report; `latest` is a plan."""
        ref = latest_of(dag_id) if plan_id == "latest" else plan_id
        return _plan_page(_portfolio(dag_id), ref)

    @app.get("/run", dependencies=[READS_DAG])
    def run(
        dag_id: Annotated[str, Query(pattern=DAG_IDENTIFIER)],
        run_id: Annotated[str, Query(max_length=250)],
        session: SessionDep,
    ) -> Response:
        """Show the report of the plan that a DAG run proposed."""
        plan_id = _plan_of_run(dag_id, run_id, session)
        if plan_id is None:
            return _page("No plan yet", "<p>This run has not proposed a plan yet.</p>")
        return _plan_page(_portfolio(dag_id), plan_id)

    return app


def _may_read(user: Any, dag_id: str) -> bool:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails

    details = DagDetails(id=dag_id)
    return bool(get_auth_manager().is_authorized_dag(method="GET", details=details, user=user))


def _portfolio(dag_id: str) -> Portfolio:
    listed = find_portfolio(dag_id)
    if listed is None:
        raise HTTPException(404, "no portfolio that can be read belongs to this DAG")
    return open_portfolio(listed.folder)


def _of_one(user: Any, title: str, place: str, page: Callable[[Portfolio], Response]) -> Response:
    """Return the page of the only portfolio that the person may read, else a choice of them."""
    dags = [one.dag_id for one in listed_portfolios() if not one.problem]
    allowed = [dag_id for dag_id in dags if _may_read(user, dag_id)]
    if len(allowed) == 1:
        return page(_portfolio(allowed[0]))
    return _page(title, _choices(allowed, place))


def _index_page(portfolio: Portfolio, base: str = "") -> Response:
    from pipeline.runs.reports import index_page

    base = base or f"dags/{DAG_PREFIX}{portfolio.policy.portfolio}/plans/"
    return _html(index_page(portfolio, lambda plan_id: f"{base}{plan_id}").encode("utf-8"))


def _caps_page(portfolio: Portfolio) -> Response:
    from pipeline.runs.reports import caps_page

    return _html(caps_page(portfolio).encode("utf-8"))


def _html(page: bytes) -> Response:
    return HTMLResponse(page, headers={**_HEADERS, "Content-Security-Policy": _POLICY + _SANDBOX})


def _plan_page(portfolio: Portfolio, ref: str) -> Response:
    try:
        plan_id = portfolio.ledger.plan_id(ref, portfolio.policy.portfolio)
        portfolio.ledger.plan(plan_id)  # a plan that was altered since is not shown as if it stood
        report = open_run(portfolio.runs, plan_id).read_bytes(REPORT)
    except NotFoundError as error:
        raise HTTPException(404, str(error)) from error
    except PipelineError as error:
        return _page("This plan must not be signed", f"<p>{escape(str(error))}</p>", status=409)
    return _html(report)


def _plan_of_run(dag_id: str, run_id: str, session: Any) -> str | None:
    """Return the id that the run's report task handed on; it is only ever used as a name."""
    query = XComModel.get_many(
        key="return_value", dag_ids=dag_id, task_ids="report", run_id=run_id, limit=1
    )
    row = session.scalars(query).first()
    if row is None:
        return None
    value = str(XComModel.deserialize_value(row))
    return value if re.fullmatch(IDENTIFIER, value) else None


def _choices(dag_ids: list[str], place: str) -> str:
    if not dag_ids:
        return "<p>No portfolio that you may see is set up in this Airflow.</p>"
    items = "".join(
        f'<li><a href="dags/{escape(dag_id)}/{place}">{escape(dag_id)}</a></li>'
        for dag_id in dag_ids
    )
    return f"<ul>{items}</ul>"


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    style = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style><main><h1>{escape(title)}</h1>{body}</main></html>",
        headers={**_HEADERS, "Content-Security-Policy": _POLICY},
        status_code=status,
    )
