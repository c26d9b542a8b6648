"""Airflow's connections for the sources that name one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from pipeline.runs import night
from pipeline.runs.portfolio import open_portfolio


def extract(folder: str, day: str) -> str:
    """Read the sources and freeze the inputs, with Airflow's connections at hand."""
    sources = open_portfolio(folder).policy.sources
    places = (
        item.database for item in (sources.spend, sources.outcomes, sources.experiments) if item
    )
    names = sorted({place for place in places if place and "://" not in place})
    with _in_environment(names):
        return night.extract(folder, day)


@contextmanager
def _in_environment(names: list[str]) -> Iterator[None]:
    """Put connections where sources look for them; they leave with the step."""
    added = []
    try:
        for name in names:
            variable = f"AIRFLOW_CONN_{name.upper()}"
            if variable in os.environ:
                continue
            try:
                os.environ[variable] = str(Connection.get(name).get_uri())
            except AirflowNotFoundException:
                continue  # the source then says which connection it misses
            added.append(variable)
        yield
    finally:
        for variable in added:
            del os.environ[variable]
