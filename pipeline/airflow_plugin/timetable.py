"""One run per business day, named by the day, caught up from a first day on."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import instance

from pipeline.core.types import JsonObject


class BusinessDays(CronPartitionTimetable):
    """Starts the night of each business day at `at`, the portfolio's local time.

    Airflow would bound the catching up by the DAG's start date, and then run no task at all in a
    night of an earlier day that somebody asks for. So the bound is kept here.
    """

    def __init__(self, at: str, *, zone: str, first_day: date) -> None:
        hour, minute = at.split(":")
        super().__init__(f"{int(minute)} {int(hour)} * * *", timezone=zone, key_format="%Y-%m-%d")
        self._settings = {"at": at, "zone": zone, "first_day": first_day.isoformat()}
        self._first = instance(datetime.combine(first_day, time(), ZoneInfo(zone)))

    @classmethod
    def deserialize(cls, data: JsonObject) -> BusinessDays:
        """Return what `serialize` stored."""
        first_day = date.fromisoformat(data["first_day"])
        return cls(data["at"], zone=data["zone"], first_day=first_day)

    def serialize(self) -> JsonObject:
        """Return the settings as plain JSON."""
        return dict(self._settings)

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the next business day's run; none before the first day."""
        earliest = max(restriction.earliest or self._first, self._first)
        info: Any = super().next_dagrun_info_v2(
            last_dagrun_info=last_dagrun_info, restriction=restriction._replace(earliest=earliest)
        )
        return info
