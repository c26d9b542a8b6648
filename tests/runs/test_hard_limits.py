"""What people fixed for a day, read from settings and ledger by the publisher's own code."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pipeline.io.ledger import ExperimentRecord
from pipeline.runs.hard_limits import fixed_on
from tests.io.ledger.conftest import make_policy

DAY = date(2026, 11, 22)
BEFORE, AFTER = "2026-11-21", "2026-11-23"


def fixed(policy: Any = None, *records: ExperimentRecord) -> list[tuple[Any, Any, str]]:
    found = fixed_on(policy or make_policy(), records, DAY)
    return [(item.scope, item.among, item.why) for item in found]


@pytest.mark.parametrize(
    ("ground", "is_on"),
    [
        ({}, True),
        ({"valid_from": str(DAY)}, True),
        ({"valid_from": AFTER}, False),
        ({"until": str(DAY)}, True),
        ({"until": BEFORE}, False),
        ({"days": [str(DAY)]}, True),
        ({"days": [BEFORE, AFTER]}, False),
    ],
)
def test_ground_is_fixed_on_its_days_and_on_no_other(ground: dict[str, Any], is_on: bool) -> None:
    named = {"scope": {"channel": "search"}, "because": "contract", **ground}
    found = fixed(make_policy(safe_ground=[named]))
    expected = [({"channel": "search"}, None, "safe ground, contract")]
    assert found == (expected if is_on else [])


def record(ended: str = "", **assignment: Any) -> ExperimentRecord:
    facts = {"from": str(DAY), "to": str(DAY), "treated": ["r1", "r2"], "scope": {}, **assignment}
    return ExperimentRecord(
        name="spring", assigned_at="2026-11-01", assigned_by="ana", assignment=facts, ended=ended
    )


@pytest.mark.parametrize(
    ("span", "is_on"),
    [
        ({}, True),
        ({"from": AFTER, "to": AFTER}, False),
        ({"from": BEFORE, "to": BEFORE}, False),
        ({"from": BEFORE, "to": None}, True),  # a holdout stands until it is ended
        ({"from": BEFORE, "to": None, "ended": BEFORE}, False),
        ({"from": BEFORE, "to": AFTER, "ended": str(DAY)}, True),
        ({"from": BEFORE, "to": AFTER, "ended": BEFORE}, False),
    ],
)
def test_a_test_fixes_its_lines_from_its_first_day_to_its_last(
    span: dict[str, Any], is_on: bool
) -> None:
    assert bool(fixed(None, record(**span))) is is_on


def test_a_test_of_a_scope_fixes_all_of_it_and_one_of_units_its_units() -> None:
    scope = {"channel": "search"}
    assert fixed(None, record(scope=scope, unit_column="region")) == [
        (scope, None, "test spring runs")
    ]
    units = frozenset({"r1", "r2"})
    assert fixed(None, record(unit_column="region")) == [
        ({}, ("region", units), "test spring runs")
    ]
    assert fixed(None, record()) == [({}, ("", units), "test spring runs")]


def test_a_holdout_fixes_its_units_within_its_scope() -> None:
    held = record(kind="holdout", scope={"channel": "search"}, unit_column="channel")
    assert fixed(None, held) == [
        ({"channel": "search"}, ("channel", frozenset({"r1", "r2"})), "holdout spring runs")
    ]
