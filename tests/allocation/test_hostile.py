"""Problem files made to hurt: each is answered or refused in one line, never a crash."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.answer import answer
from pipeline.allocation.document import parse_problem
from pipeline.core.errors import PipelineError
from tests.allocation.problems import hill, line
from tests.effort import effort

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

FULL: dict[str, Any] = {
    "budget": 100,
    "spend": "at_most",
    "currency": "EUR",
    "lines": [
        {
            **line("a", hill(9, 40, 1.4), min=0, max=60, current=30, ramp=0.5, min_if_on=5),
            "labels": {"channel": "tv"},
            "metrics": {"orders": {"family": "log", "scale_value": 3, "scale": 12}},
            "organic": {"orders": 2},
        },
        line("b", {"family": "table", "x": [0, 20, 40], "y": [0, 6, 8]}),
        line("c", {"family": "power", "a": 1, "b": 0.5}, max=50),
        line("d", {"family": "logistic", "ceiling": 4, "midpoint": 20, "steepness": 0.2}),
        line("e", {"family": "exponential", "ceiling": 5, "scale": 20}, fixed=7),
    ],
    "groups": [{"id": "g", "lines": ["a", "b"], "min": 1, "max": 70}],
    "guardrails": [{"metric": "return", "min": 0.05}, {"metric": "cost_per_orders", "max": 90}],
}
CHANCE: dict[str, Any] = {
    "pacing": {"total": 300, "spent": 120, "day": 2, "demand": [1, 2, 1]},
    "risk": {"worst": 0.5},
    "lines": [
        {"id": name, "draws": [hill(5, 20 + i), hill(7, 30)], "max": 90}
        for i, name in enumerate("ab")
    ],
}
HOSTILE = [
    None, True, -1, 0, 1e-300, 1e308, 10**400, math.nan, math.inf, -math.inf, "", "a", "\x1b[2J",
    "x" * 5000, [], {}, [[]], [None], ["a", "a"], {"id": []}, {"family": []}, {"family": "hill"},
    {"a": {"b": {"c": []}}}, [1, 2], [0, math.nan], {"channel": ["tv"]},
]  # fmt: skip


def _paths(value: Any, before: tuple = ()) -> list[tuple]:
    inside = (
        list(value.items()) if isinstance(value, dict)
        else list(enumerate(value)) if isinstance(value, list) else []
    )  # fmt: skip
    return [before] * bool(before) + [p for k, v in inside for p in _paths(v, (*before, k))]


def _with(document: Any, path: tuple, value: Any) -> Any:
    out = copy.deepcopy(document)
    place = out
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return out


@effort(150)
@given(
    where=st.sampled_from(
        [(FULL, p) for p in _paths(FULL)] + [(CHANCE, p) for p in _paths(CHANCE)]
    ),
    value=st.sampled_from(HOSTILE),
)
def test_any_value_in_any_place_is_answered_or_refused_in_one_line(where, value):
    try:
        found = answer(parse_problem(_with(*where, value), "p.json"))
    except PipelineError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 4000
    else:
        json.dumps(found, allow_nan=False)
        assert found["objective"] <= found["upper_bound"]


@pytest.mark.parametrize("document", [FULL, CHANCE], ids=["full", "chance"])
def test_the_documents_that_are_spoiled_are_sound_themselves(document):
    found = answer(parse_problem(document, "p.json"))
    assert found["status"] == "optimal"
    assert found["gap"] <= 1e-3
