"""The plugin that Airflow loads through its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from pipeline.airflow_plugin.addresses import PREFIX
from pipeline.airflow_plugin.timetable import BusinessDays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]


class Pages:
    """Our web pages, made when the first request comes: Airflow loads plugins in every process."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if self._app is None:
            from pipeline.airflow_plugin.pages import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


class EquimarginalPlugin(AirflowPlugin):
    """The plan pages in Airflow's menu and on each run, and the calendar of nights."""

    name = "equimarginal"
    timetables: ClassVar[list[Any]] = [BusinessDays]
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": Pages(), "url_prefix": PREFIX, "name": "Equimarginal plans"}
    ]
    # Entries of the menu have no route of Airflow's: they open as pages of their own. Airflow would
    # show them in a frame that lets no link out, so that a plan's page could not lead to its task.
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Latest plan",
            "href": f"{PREFIX}/latest",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "All plans",
            "href": f"{PREFIX}/plans",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Caps",
            "href": f"{PREFIX}/caps",
            "destination": "nav",
            "category": "browse",
        },
        {
            "name": "Plan",
            "href": f"{PREFIX}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "plan",
        },
    ]
