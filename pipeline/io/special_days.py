"""The calendar of a portfolio's days that are unlike others, frozen beside the sources' rows.

Public holidays come from a library that is kept by people who follow the law; what a shop makes
special itself stands in its settings. What was looked up is kept with the run, because a later
version of the library may know of another holiday.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.core.errors import ConfigError
from pipeline.core.policy import Policy
from pipeline.io.artefacts import RunFolder

SPECIAL_DAYS = "snapshot/special_days.json"
DAYS_BACK, DAYS_AHEAD = 1_100, 60  # older than any evidence, further than any promise


def freeze_special_days(work: RunFolder, policy: Policy, day: date) -> None:
    """Write the named days around a night, if the settings name any.

    Raises:
        ConfigError: no holidays are known of a country or of a part of it.
    """
    if policy.calendar is None:
        return
    first, last = day - timedelta(days=DAYS_BACK), day + timedelta(days=DAYS_AHEAD)
    found: dict[date, str] = {}
    for code in policy.calendar.holidays:
        for when, name in _public_holidays(code, first.year, last.year).items():
            found.setdefault(when, name)
    for name, days in policy.calendar.days.items():
        found |= dict.fromkeys(days, name)
    work.write_json(
        SPECIAL_DAYS,
        {when.isoformat(): found[when] for when in sorted(found) if first <= when <= last},
    )


def read_special_days(work: RunFolder) -> dict[date, str]:
    """Return the named days of a run, empty where its settings named none."""
    if not work.exists(SPECIAL_DAYS):
        return {}
    return {
        date.fromisoformat(day): str(name) for day, name in work.read_json(SPECIAL_DAYS).items()
    }


def _public_holidays(code: str, first: int, last: int) -> dict[date, str]:
    """Return the public holidays of `DE`, or of a part of a country as in `US-CA`."""
    import holidays

    country, _, part = code.partition("-")
    parts: set[str] = set()
    if country in holidays.list_supported_countries():
        place = holidays.country_holidays(country)
        parts = {"", *place.subdivisions, *place.subdivisions_aliases}
    if part not in parts:
        raise ConfigError(
            f"calendar.holidays: no holidays are known of {code!r}; use a country's two letters, "
            "or with one of its parts as in US-CA, or name the days under calendar.days"
        )
    known = holidays.country_holidays(
        country, subdiv=part or None, years=range(first, last + 1), language="en_US"
    )
    return {when: str(name) for when, name in known.items()}
