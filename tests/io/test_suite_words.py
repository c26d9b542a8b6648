"""Every suite's findings in plain words: table, row, column, value, what is needed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.io import suites
from pipeline.io.assets import asset_folder
from pipeline.io.suite_words import _SAID, TABLES, finding_of
from pipeline.io.suite_worker import evaluate
from pipeline.io.suites import load_suites
from tests.io.test_suites import BROKEN, cell, frames, run

Columns = dict[str, Any]

CREATIVES: Columns = {
    "day": np.array(["2026-11-20", "2026-11-21"]),
    "audience": np.array(["young", "young"]),
    "creative": np.array(["spring", "spring"]),
    "impressions": np.array([10.0, 20.0]),
    "clicks": np.array([1.0, 2.0]),
    "conversions": np.array([0.0, 0.0]),
    "value": np.array([0.0, 0.0]),
}


def judged(name: str, table: Columns) -> list[str]:
    request = {
        "suites": load_suites((name,)),
        "frames": {name: suites.stream(table)},
        "parameters": {},
    }
    return [found.message for item in evaluate(request) if (found := finding_of(item)) is not None]


def test_a_row_is_named_by_its_keys_with_both_values() -> None:
    table = CREATIVES | {"clicks": np.array([1.0, 25.0])}
    assert judged("creative_day", table) == [
        "exposures by day: 2026-11-21 / young / spring: impressions is 20 and clicks 25; "
        "clicks cannot be more"
    ]


def test_a_repeated_row_is_named() -> None:
    table = CREATIVES | {"day": np.array(["2026-11-21", "2026-11-21"])}
    assert judged("creative_day", table) == [
        "exposures by day: 2026-11-21 / young / spring: is there more than once; 2 rows are like it"
    ]


def test_a_sum_says_what_is_needed() -> None:
    table = CREATIVES | {"impressions": np.zeros(2), "clicks": np.zeros(2)}
    assert "exposures by day: impressions adds up to 0, need more than 0" in judged(
        "creative_day", table
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name, _, _, change in BROKEN],
    ids=[f"{name}-{place}" for place, (name, *_) in enumerate(BROKEN)],
)
def test_no_finding_speaks_in_the_words_of_a_library(
    name: str, change: Callable[[Columns], None]
) -> None:
    table = {key: values.copy() for key, values in frames()[name].items()}
    change(table)
    said = [found for item in run({name: table}) if (found := finding_of(item)) is not None]
    assert said
    for finding in said:
        text = f"{finding.check} {finding.message}"
        assert not re.search(r"expect|_to_be_|np\.|unexpected|observed|None|\bnan\b", text), text
        assert finding.message.startswith(f"{TABLES[name]}: ")


def test_a_missing_number_is_told_with_day_and_line() -> None:
    table = {key: values.copy() for key, values in frames()["spend"].items()}
    cell("spend", np.nan)(table)
    (found,) = [f for item in run({"spend": table}) if (f := finding_of(item)) is not None]
    assert found.message == "spend by day: 2026-01-01 / search / a: spend is missing"


def test_every_expectation_that_a_suite_uses_has_words() -> None:
    names = tuple(path.stem for path in (asset_folder("expectations")).glob("*.json"))
    used = {item["type"] for suite in load_suites(names).values() for item in suite["expectations"]}
    assert used <= set(_SAID)
    assert set(names) == set(TABLES)
