"""Problems that the allocation tests share: written as a user would, or drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pipeline.allocation.document import parse_problem
from pipeline.allocation.problem import Problem

Curve = dict[str, Any]


def problem(**fields: Any) -> Problem:
    """Return the problem of a document's fields."""
    return parse_problem(fields, "test").problem


def line(name: str, curve: Curve, **fields: Any) -> dict[str, Any]:
    return {"id": name, "curve": curve, **fields}


def hill(ceiling: float, half_saturation: float, slope: float = 1.0) -> Curve:
    return {
        "family": "hill",
        "ceiling": ceiling,
        "half_saturation": half_saturation,
        "slope": slope,
    }


def whole_values(curve: Curve, most: int) -> Callable[[int], float]:
    """Return a curve's outcome at whole amounts of money."""
    alone = problem(budget=1, lines=[line("a", curve)]).curves
    table = alone.take(np.zeros(most + 1, dtype=np.int64)).value(np.arange(most + 1.0))
    return lambda spend: float(table[spend])


def _number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False).map(lambda x: float(f"{x:.6g}"))


concave_curves = st.one_of(
    st.builds(hill, _number(0, 10), _number(1, 40), _number(0.4, 1)),
    st.fixed_dictionaries(
        {"family": st.just("exponential"), "ceiling": _number(0, 10), "scale": _number(1, 30)}
    ),
    st.fixed_dictionaries(
        {"family": st.just("log"), "scale_value": _number(0, 4), "scale": _number(1, 30)}
    ),
    st.fixed_dictionaries({"family": st.just("power"), "a": _number(0, 2), "b": _number(0.2, 1)}),
)


@st.composite
def tables(draw: st.DrawFn) -> Curve:
    x = sorted(draw(st.sets(st.integers(0, 60), min_size=2, max_size=5)))
    rises = draw(st.lists(_number(-1, 3), min_size=len(x), max_size=len(x)))
    return {"family": "table", "x": x, "y": np.cumsum(rises).tolist()}


curves = st.one_of(
    concave_curves,
    st.builds(hill, _number(0, 10), _number(1, 40), _number(1, 4)),
    st.fixed_dictionaries(
        {
            "family": st.just("logistic"),
            "ceiling": _number(0, 10),
            "midpoint": _number(-5, 40),
            "steepness": _number(0.02, 1),
        }
    ),
    st.fixed_dictionaries({"family": st.just("power"), "a": _number(0, 2), "b": _number(1, 1.5)}),
    tables(),
)


@st.composite
def documents(
    draw: st.DrawFn, of: st.SearchStrategy[Curve] = curves, *, most_lines: int = 6
) -> dict[str, Any]:
    """Return a problem of a few lines with bounds and disjoint groups, in whole money."""
    size = draw(st.integers(1, most_lines))
    budget = draw(st.integers(0, 60))
    lines = []
    for index in range(size):
        fields: dict[str, Any] = {}
        if draw(st.booleans()):
            fields["min"] = draw(st.integers(0, 8))
        if draw(st.booleans()):
            fields["max"] = fields.get("min", 0) + draw(st.integers(0, 40))
        if draw(st.integers(0, 4)) == 0:
            fields["min_if_on"] = draw(st.integers(1, 15))
        lines.append(line(f"line {index}", draw(of), **fields))
    groups = []
    if size > 1 and draw(st.booleans()):
        cut = draw(st.integers(1, size - 1))
        for name, members in (("left", lines[:cut]), ("right", lines[cut:])):
            low = draw(st.integers(0, 8))
            groups.append(
                {
                    "id": name,
                    "lines": [member["id"] for member in members],
                    "min": low,
                    "max": low + draw(st.integers(0, 50)),
                }
            )
    return {
        "budget": budget,
        "spend": draw(st.sampled_from(["exactly", "at_most"])),
        "lines": lines,
        "groups": groups,
    }
