from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.core.findings import Level
from pipeline.io.newest import STALE_DAYS, newest_day_findings

DAY = date(2026, 11, 22)


def said(behind: int | None, *, stops: bool = True) -> list[tuple[Level, str]]:
    newest = None if behind is None else DAY - timedelta(days=1 + behind)
    found = newest_day_findings(
        "exposures", newest, DAY, "the shares rest on older days", stops=stops, advice="fetch it"
    )
    return [(item.level, item.message) for item in found]


def test_a_table_that_reaches_yesterday_or_today_is_not_spoken_of() -> None:
    assert said(0) == said(-1) == said(None) == []


def test_a_missing_yesterday_is_a_review_that_names_both_days() -> None:
    words = (
        "exposures: newest day is 2026-11-20, need 2026-11-21 for a plan of 2026-11-22; "
        "the shares rest on older days"
    )
    assert said(1) == said(1, stops=False) == [(Level.REVIEW, words)]


@pytest.mark.parametrize(
    ("stops", "level"), [(True, Level.FAIL), (False, Level.REVIEW)], ids=["feed", "own log"]
)
def test_a_feed_that_has_stopped_stops_the_night(stops: bool, level: Level) -> None:
    assert said(STALE_DAYS)[0][0] is Level.REVIEW
    assert said(STALE_DAYS + 1, stops=stops)[0][0] is level
