"""Whether a table of a decision reaches up to yesterday: the same words for every source."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.core.findings import Finding, Level

STALE_DAYS = 3
"""So many days behind, a feed has stopped: tonight's decision would rest on another market."""


def newest_day_findings(
    source: str, newest: date | None, day: date, rests: str, *, stops: bool, advice: str
) -> list[Finding]:
    """Return what to say of a table whose newest day is not the day before the plan's.

    Args:
        newest: None where it holds no day at all, which other checks say.
        rests: what older days mean, such as `the shares rest on older days`.
        stops: whether a table that is more than `STALE_DAYS` behind stops the night. Not where
            nothing can be added to it before a plan is signed.
    """
    needed = day - timedelta(days=1)
    if newest is None or newest >= needed:
        return []
    behind = (needed - newest).days
    is_old = stops and behind > STALE_DAYS
    more = f"; at most {STALE_DAYS} days behind are worked with" if is_old else f"; {rests}"
    return [
        Finding(
            level=Level.FAIL if is_old else Level.REVIEW,
            check=f"stale-{source}",
            message=f"{source}: newest day is {newest}, need {needed} for a plan of {day}{more}",
            advice=advice,
            source=source,
            column="date",
            value=newest.isoformat(),
        )
    ]
