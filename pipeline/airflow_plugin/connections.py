"""Airflow's connections for the sources, feeds and destinations that name one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from pipeline.core.sources import Source
from pipeline.runs import course
from pipeline.runs.portfolio import open_portfolio
from pipeline.runs.pull import pull_for


def at_sources(folder: str) -> AbstractContextManager[None]:
    """Return the context in which a portfolio's sources find Airflow's connections."""
    sources = open_portfolio(folder).policy.sources
    listed = (getattr(sources, name) for name in type(sources).model_fields)
    places = (item.database for item in listed if isinstance(item, Source))
    return _in_environment(
        sorted({place for place in places if place and "://" not in place}), _as_uri
    )


def extract(folder: str, day: str, kind: str) -> str:
    """Read a decision's sources and freeze its inputs, with Airflow's connections at hand."""
    with at_sources(folder):
        return course.extract(folder, day, kind)


def pull(folder: str, day: str) -> int:
    """Fetch every feed, with Airflow's connections at hand; return the rows read."""
    feeds = open_portfolio(folder).policy.feeds.values()
    with _in_environment(sorted({feed.connection for feed in feeds}), _as_json):
        return pull_for(folder, day)


def at_destinations(folder: str) -> AbstractContextManager[None]:
    """Return the context in which a portfolio's destinations find Airflow's connections."""
    places = open_portfolio(folder).policy.destinations.values()
    names = {place.connection for place in places if place.connection}
    return _in_environment(sorted(names), _as_json)


@contextmanager
def _in_environment(names: list[str], form: Callable[[Any], str]) -> Iterator[None]:
    """Put connections where sources look for them; they leave with the step."""
    added = []
    try:
        for name in names:
            variable = f"AIRFLOW_CONN_{name.upper()}"
            if variable in os.environ:
                continue
            try:
                os.environ[variable] = form(Connection.get(name))
            except AirflowNotFoundException:
                continue  # the source then says which connection it misses
            added.append(variable)
        yield
    finally:
        for variable in added:
            del os.environ[variable]


def _as_uri(connection: Any) -> str:
    return str(connection.get_uri())


def _as_json(connection: Any) -> str:
    return json.dumps(
        {
            "conn_type": connection.conn_type,
            "host": connection.host,
            "login": connection.login,
            "password": connection.password,
            "extra": connection.extra_dejson,
        }
    )
