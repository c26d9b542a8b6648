"""When a cap binds, and whom."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from pipeline.core.caps import Cap, CapStatus

COLUMNS = ("channel", "audience")


def cap(**more) -> Cap:
    known = {"id": "c1", "status": CapStatus.APPROVED, "proposed_by": "ana", "max": 1.0}
    return Cap(**{**known, **more})


@pytest.mark.parametrize(
    ("first", "last", "inside"),
    [
        (None, None, True),
        (date(2026, 11, 22), date(2026, 11, 22), True),
        (date(2026, 11, 23), None, False),
        (None, date(2026, 11, 21), False),
        (date(2026, 1, 1), None, True),
    ],
)
def test_an_approved_cap_binds_on_its_days_first_and_last_included(first, last, inside):
    assert cap(valid_from=first, expires=last).in_force(date(2026, 11, 22)) is inside


@pytest.mark.parametrize("status", [s for s in CapStatus if s is not CapStatus.APPROVED])
def test_a_cap_that_is_not_approved_binds_nobody(status):
    assert not cap(status=status).in_force(date(2026, 11, 22))


def test_a_cap_that_nobody_decided_has_no_place_among_decisions_and_none_is_changed_in_place():
    waiting = cap(status=CapStatus.PROPOSED)
    assert (waiting.decided_by, waiting.decided_seq) == ("", 0)
    with pytest.raises(ValidationError, match="frozen"):
        waiting.status = CapStatus.APPROVED


def test_a_cap_covers_the_lines_of_its_scope():
    line = ("search", "brand")
    assert cap().covers(line, COLUMNS)
    assert cap(scope={"channel": "search"}).covers(line, COLUMNS)
    assert cap(scope={"audience": "brand"}).covers(line, COLUMNS)
    assert not cap(scope={"channel": "Search"}).covers(line, COLUMNS)
    assert not cap(scope={"channel": "search", "audience": "x"}).covers(line, COLUMNS)


@pytest.mark.parametrize(
    ("status", "first", "last", "standing"),
    [
        (CapStatus.APPROVED, None, None, "in force"),
        (CapStatus.APPROVED, None, date(2026, 11, 22), "in force"),
        (CapStatus.APPROVED, date(2026, 11, 23), None, "approved"),
        (CapStatus.APPROVED, None, date(2026, 11, 21), "expired"),
        (CapStatus.PROPOSED, None, None, "proposed"),
        (CapStatus.PROPOSED, None, date(2026, 11, 21), "expired"),
        (CapStatus.REJECTED, None, date(2026, 11, 21), "rejected"),
        (CapStatus.SUPERSEDED, None, None, "superseded"),
    ],
)
def test_a_cap_says_how_it_stands_on_a_day(status, first, last, standing):
    cap = Cap(id="c", max=1.0, status=status, proposed_by="x", valid_from=first, expires=last)
    assert cap.standing(date(2026, 11, 22)) == standing
