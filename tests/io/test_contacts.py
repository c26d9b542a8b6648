"""The suite of segment_day: it accepts a good table, and every expectation refuses a broken one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Finding, Level
from pipeline.io import suites

Columns = dict[str, Any]
LAST = date(2026, 1, 5)


def good() -> Columns:
    days = [LAST - timedelta(days=back) for back in (2, 1, 0)]
    size = len(days) * 2
    return {
        "day": np.repeat(np.array([day.isoformat() for day in days], dtype=str), 2),
        "segment": np.full(size, "new"),
        "bucket": np.full(size, "1"),
        "dose": np.tile([0, 2], len(days)),
        "persons": np.full(size, 100.0),
        "touches": np.tile([0.0, 200.0], len(days)),
        "must_send": np.zeros(size),
        "conversions": np.ones(size),
        "value": np.ones(size),
        "leavers": np.zeros(size),
    }


def judged(change: Callable[[Columns], Any] = lambda table: None) -> list[Finding]:
    table = good()
    change(table)
    found = suites.begin_tables({"segment_day": table}, {"last_day": LAST.isoformat()}).findings()
    return [finding for finding in found if finding.level is not Level.PASS]


def put(column: str, values: Any) -> Callable[[Columns], Any]:
    return lambda table: table.update({column: np.resize(values, len(table[column]))})


def test_a_good_table_is_accepted() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        (lambda t: t.update({k: v[:0] for k, v in t.items()}), Level.FAIL, "row"),
        (put("dose", [0]), Level.FAIL, "dose"),
        (put("persons", [100.0, 1e12]), Level.FAIL, "persons"),
        (put("persons", [0.0]), Level.FAIL, "persons"),
        (put("leavers", [0.0, 101.0]), Level.FAIL, "leavers"),
        (put("touches", [0.0]), Level.REVIEW, "touches"),
    ],
)
def test_every_expectation_refuses_a_table_that_breaks_it(
    change: Callable[[Columns], Any], level: Level, said: str
) -> None:
    found = judged(change)
    assert found
    assert level in {finding.level for finding in found}
    assert any(said in f"{f.column} {f.message} {f.check}" for f in found), found
