from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.findings import Finding, Level
from pipeline.io import suites
from pipeline.io.assets import asset_folder
from pipeline.io.contacts import SEGMENT_DAY
from pipeline.io.exposures import CREATIVE_DAY
from pipeline.io.facts import Facts
from pipeline.io.suite_worker import evaluate
from pipeline.io.suites import TABLES, load_suites

Columns = dict[str, Any]


def good_facts() -> Facts:
    shape = (40, 3)
    rng = np.random.default_rng(3)
    days = tuple(date(2026, 1, 1) + timedelta(days=index) for index in range(shape[0]))
    spend = rng.uniform(50, 150, shape)
    return Facts(
        days=days,
        lines=(("search", "a"), ("search", "b"), ("social", "a")),
        spend=spend,
        has_spend_row=np.ones(shape, dtype=bool),
        budget=np.full(shape, np.nan),
        impressions=spend * 20,
        clicks=spend,
        outcomes={"revenue": rng.uniform(10, 90, shape)},
        has_outcome_row=np.ones(shape, dtype=bool),
    )


def good_tests() -> pa.Table:
    """Two tests: one of both search lines, one of social's."""
    return pa.table(
        {
            "file": ["experiments.csv"] * 3,
            "row": [2, 2, 3],
            "line_id": [0, 1, 2],
            "first_day": [date(2026, 1, 5)] * 3,
            "last_day": [date(2026, 1, 18)] * 3,
            "lift": [100.0, 100.0, -5.0],
            "standard_error": [10.0, 10.0, 4.0],
        }
    )


def run(frames: dict[str, Columns], suite: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    facts = good_facts()
    request = suites.request_for(facts, "revenue")
    request["frames"] = {name: suites.stream(columns) for name, columns in frames.items()}
    request["suites"] = {name: suite or load_suites()[name] for name in frames}
    return evaluate(request)


def frames() -> dict[str, Columns]:
    facts = good_facts()
    tests = suites.experiment_frame(good_tests(), facts)
    return {**suites.frames(facts, "revenue"), "experiments": tests}


def broken(name: str, change: Callable[[Columns], None]) -> set[tuple[str, str]]:
    """Return the (type, column) of every expectation that a spoilt table breaks."""
    table = {key: values.copy() for key, values in frames()[name].items()}
    change(table)
    results = run({name: table})
    assert all(not result["errored"] for result in results)
    return {(result["type"], result["column"]) for result in results if not result["success"]}


def cell(column: str, value: float, row: int = 0) -> Callable[[Columns], None]:
    def change(table: Columns) -> None:
        table[column] = table[column].astype(float)
        table[column][row] = value

    return change


def empty(table: Columns) -> None:
    for name, values in table.items():
        table[name] = values[:0]


def twice(table: Columns) -> None:
    for name in ("day", "line"):
        if name in table:
            table[name][1] = table[name][0]
    if "test" in table:
        table["test"][1] = table["test"][0]


def zero(column: str) -> Callable[[Columns], None]:
    return lambda table: table.update({column: np.zeros(len(table[column]))})


def without_last(days: int) -> Callable[[Columns], None]:
    def change(table: Columns) -> None:
        keep = table["day"] < sorted(set(table["day"]))[-days]
        for name, values in table.items():
            table[name] = values[keep]

    return change


def named(column: str, value: str) -> Callable[[Columns], None]:
    def change(table: Columns) -> None:
        table[column][0] = value

    return change


BROKEN: list[tuple[str, str, str, Callable[[Columns], None]]] = [
    ("experiments", "expect_compound_columns_to_be_unique", "test, line", twice),
    ("experiments", "expect_column_values_to_not_be_null", "lift", cell("lift", np.nan)),
    (
        "experiments",
        "expect_column_values_to_be_between",
        "standard_error",
        cell("standard_error", 0),
    ),
    (
        "experiments",
        "expect_column_min_to_be_between",
        "first_day",
        named("first_day", "2025-12-31"),
    ),
    (
        "experiments",
        "expect_column_max_to_be_between",
        "last_day",
        named("last_day", "2026-02-10"),
    ),
    ("spend", "expect_table_row_count_to_be_between", "", empty),
    ("spend", "expect_compound_columns_to_be_unique", "day, line", twice),
    ("spend", "expect_column_values_to_not_be_null", "spend", cell("spend", np.nan)),
    ("spend", "expect_column_values_to_be_between", "spend", cell("spend", -1)),
    ("spend", "expect_column_sum_to_be_between", "spend", zero("spend")),
    ("spend", "expect_column_max_to_be_between", "day", without_last(1)),
    (
        "spend",
        "expect_column_pair_values_a_to_be_greater_than_b",
        "impressions, clicks",
        cell("clicks", 1e9),
    ),
    ("outcomes", "expect_table_row_count_to_be_between", "", empty),
    ("outcomes", "expect_compound_columns_to_be_unique", "day, line", twice),
    ("outcomes", "expect_column_values_to_not_be_null", "outcome", cell("outcome", np.nan)),
    ("outcomes", "expect_column_values_to_be_between", "outcome", cell("outcome", -1)),
    ("outcomes", "expect_column_sum_to_be_between", "outcome", zero("outcome")),
    ("outcomes", "expect_column_max_to_be_between", "day", without_last(4)),
    ("line_day", "expect_table_row_count_to_be_between", "", without_last(1)),
    ("line_day", "expect_compound_columns_to_be_unique", "day, line", twice),
    ("line_day", "expect_column_values_to_not_be_null", "spend", cell("spend", np.nan)),
    ("line_day", "expect_column_values_to_be_between", "spend", cell("spend", -1)),
    ("line_day", "expect_column_unique_value_count_to_be_between", "day", without_last(1)),
    ("line_day", "expect_column_max_to_be_between", "day", without_last(1)),
    ("line_day", "expect_column_mean_to_be_between", "has_spend_row", zero("has_spend_row")),
]


def test_each_suite_accepts_a_good_table() -> None:
    results = run(frames())
    assert len(results) == sum(len(suite["expectations"]) for suite in load_suites().values())
    assert all(result["success"] and not result["errored"] for result in results)


@pytest.mark.parametrize(("table", "kind", "column", "change"), BROKEN)
def test_each_expectation_refuses_a_table_that_breaks_it(
    table: str, kind: str, column: str, change: Callable[[Columns], None]
) -> None:
    assert (kind, column) in broken(table, change)


def test_every_expectation_meets_a_broken_table_and_says_why() -> None:
    tried = {(table, kind, column) for table, kind, column, _ in BROKEN}
    for table, suite in load_suites().items():
        for item in suite["expectations"]:
            kwargs = item["kwargs"]
            pair = [kwargs[name] for name in ("column_A", "column_B") if name in kwargs]
            column = ", ".join(kwargs.get("column_list", pair)) or kwargs.get("column", "")
            assert (table, item["type"], column) in tried
            assert item["severity"] in {"critical", "warning"}
            assert len(item["notes"]) > 20


OFFER_TABLES = ("customer_context", "decision_cell")


def test_every_suite_file_is_used() -> None:
    files = {path.stem for path in asset_folder("expectations").glob("*.json")}
    used = (*TABLES, Path(CREATIVE_DAY).stem, Path(SEGMENT_DAY).stem, *OFFER_TABLES)
    assert files == set(used)
    assert all(suite["name"] == name for name, suite in load_suites(used).items())


@pytest.mark.parametrize(
    "suite",
    [
        {"name": "spend", "expectations": []},
        {
            "name": "spend",
            "expectations": [
                {"type": "expect_colum_max_to_be_between", "kwargs": {"column": "day"}},
                {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "day"}},
            ],
        },
        {
            "name": "spend",
            "expectations": [
                {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "absent"}}
            ],
        },
    ],
    ids=["empty", "misspelt", "missing-column"],
)
def test_a_suite_that_cannot_say_no_is_an_error(suite: dict[str, Any]) -> None:
    results = run({"spend": frames()["spend"]}, suite)
    assert [bool(result["errored"]) for result in results] == [True]
    finding = suites.finding_of(results[0])
    assert finding is not None
    assert (finding.level, finding.check) == (Level.FAIL, "suite-error")


def spoilt() -> Facts:
    facts = good_facts()
    spend = facts.spend.copy()
    spend[3, 1] = -7
    return dataclasses.replace(facts, spend=spend)


def test_the_worker_finds_what_this_process_would_find() -> None:
    pending = suites.begin(spoilt(), "revenue")
    found: list[Finding] = pending.findings()
    here = [suites.finding_of(item) for item in evaluate(suites.request_for(spoilt(), "revenue"))]
    assert found == [item for item in here if item is not None]
    assert {(item.source, item.level) for item in found} == {
        ("line_day", Level.FAIL),
        ("spend", Level.FAIL),
    }
    assert "-7" in found[0].message
    json.dumps([item.model_dump(mode="json") for item in found])


def test_whatever_is_found_can_be_sent_by_the_worker() -> None:
    for facts in (good_facts(), spoilt()):
        results = evaluate(suites.request_for(facts, "revenue", good_tests()))
        assert json.loads(json.dumps(results)) == results


def test_several_nights_share_one_worker_and_a_dead_one_is_replaced() -> None:
    first = suites.worker()
    assert first is not None
    for _ in range(3):  # one that died of the first would not be told the third
        assert suites.begin(good_facts(), "revenue").findings() == []
        assert suites.worker() is first
    suites.begin(spoilt(), "revenue")  # nobody waits for this one
    assert suites.begin(good_facts(), "revenue").findings() == []
    pending = suites.begin(spoilt(), "revenue")
    first.kill()
    first.wait()
    assert len(pending.findings()) == 2
    assert suites.begin(good_facts(), "revenue").findings() == []
    assert suites.worker() is not first
