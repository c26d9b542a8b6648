"""Which business day an Airflow run is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.core.errors import UsageError


def plan_day(dag_run: Any, params: Mapping[str, Any], timezone: str) -> str:
    """Return the business day of a run, ISO: what was asked for, else the run's partition.

    A run that somebody started by hand may have neither; then its logical date counts, seen from
    the portfolio's zone, so that `airflow dags test DAG 2026-11-22` is the night of that day.

    Raises:
        UsageError: the run names no day, or something that is none.
    """
    text = params.get("day") or getattr(dag_run, "partition_key", None)
    if not text:
        moment = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
        if moment is None:
            raise UsageError(
                'this run names no day; trigger it with a partition key, or with {"day": '
                '"2026-11-22"} as its configuration'
            )
        return str(moment.astimezone(ZoneInfo(timezone)).date().isoformat())
    try:
        return date.fromisoformat(str(text)).isoformat()
    except ValueError:
        raise UsageError(f"day: got {str(text)!r}, need a date such as 2026-11-22") from None
