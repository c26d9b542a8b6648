from __future__ import annotations

import re
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.curves import ResponseTable
from pipeline.core.plan import Interval
from pipeline.io.reports import LineExtras, Pacing, line_extras
from pipeline.io.reports.charts import change_bar, round_values, scale_over, span
from pipeline.io.reports.curves import HEIGHT, WIDTH, curve_chart, month_chart, smooth
from tests.io.reports.samples import sample_plan

amounts = st.floats(min_value=0, max_value=1e9)


def curve(top: float = 100.0, past: tuple[float, ...] = ()) -> LineExtras:
    grid = tuple(np.linspace(0, 400, 21))
    mean = tuple(top * x / (x + 100) for x in grid)
    return LineExtras(
        line=("a",),
        spend=grid,
        mean=mean,
        p05=tuple(0.8 * m for m in mean),
        p95=tuple(1.2 * m for m in mean),
        past_spend=past,
    )


def numbers(path: str) -> list[float]:
    return [float(v) for v in re.findall(r"-?\d+\.?\d*", path)]


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6), wanted=st.integers(2, 6))
def test_axis_values_are_round_inside_and_not_too_many(low, width, wanted):
    values = round_values(low, low + width, wanted)
    assert len(values) <= 2 * wanted + 2
    assert all(low - 1e-6 * width <= v <= low + width + 1e-6 * width for v in values)


@given(current=amounts, proposed=amounts, past=st.lists(amounts, max_size=9))
def test_a_curve_never_leaves_its_box(current, proposed, past):
    chart = curve_chart(curve(past=tuple(past)), current, proposed)
    for path in (chart.line, chart.band):
        values = numbers(path)
        assert all(-1 <= x <= WIDTH + 1 for x in values[::2])
        assert all(-1 <= y <= HEIGHT + 1 for y in values[1::2])
    for x, y in (chart.now, chart.then):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT


def test_a_band_leaves_out_corners_that_nobody_could_see():
    known = curve(past=(50.0, 120.0))
    chart = curve_chart(known, 100.0, 200.0)
    values = numbers(chart.band)
    xs, ys = np.array(values[::2]), np.array(values[1::2])
    half = xs.size // 2
    assert half < 33
    x_end, y_end = (float(v.split()[1]) for v in (chart.x_range, chart.y_range))
    at = np.linspace(40, 306, 200)
    for place, edge in ((slice(0, half), known.p95), (slice(None, half - 1, -1), known.p05)):
        drawn = np.interp(at, xs[place], ys[place])
        true = smooth((at - 40) / 266 * x_end, known.spend, edge)
        assert np.abs(drawn - (166 - true / y_end * 154)).max() < 0.5


@given(steps=st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_a_smooth_curve_meets_its_knots_and_never_turns_between_them(steps):
    knots = np.arange(len(steps) + 1.0)
    values = np.concatenate([[0.0], np.cumsum(steps)])
    assert smooth(knots, tuple(knots), tuple(values)) == pytest.approx(values)
    fine = smooth(np.linspace(-1, len(steps) + 1, 300), tuple(knots), tuple(values))
    assert (np.diff(fine) >= -1e-9 * (1 + values[-1])).all()


def test_more_money_is_to_the_right_and_earns_more():
    chart = curve_chart(curve(), 100.0, 200.0)
    assert float(chart.then[0]) > float(chart.now[0])
    assert float(chart.then[1]) < float(chart.now[1])


def test_spend_that_was_never_tried_is_marked():
    chart = curve_chart(curve(past=(50.0, 120.0)), 100.0, 200.0)
    assert chart.beyond is not None
    assert float(chart.now[0]) < float(chart.beyond[0]) < float(chart.then[0])
    assert curve_chart(curve(), 100.0, 200.0).beyond is None


def test_a_line_that_earns_nothing_can_still_be_drawn():
    none = (0.0, 0.0)
    flat = LineExtras(line=("a",), spend=(0.0, 1.0), mean=none, p05=none, p95=none)
    assert "nan" not in curve_chart(flat, 0.0, 0.0).line


def test_past_weeks_are_drawn_where_they_lie_on_the_curve():
    on_it = curve(past=(100.0, 200.0)).model_copy(
        update={
            "points_spend": (100.0, 200.0, 1e9),
            "points_value": (50.0, 100 * 200 / 300, 1.0),
            "points_day": (date(2026, 11, 1), date(2026, 11, 8), date(2026, 11, 15)),
        }
    )
    chart = curve_chart(on_it, 100.0, 200.0)
    assert [(dot.x, dot.y) for dot in chart.dots] == [chart.now, chart.then]
    assert [dot.day.day for dot in chart.dots] == [1, 8]


def test_a_month_that_spends_more_than_planned_lies_above_its_plan():
    planned = tuple(100.0 * day for day in range(1, 31))
    course = tuple(110.0 * day for day in range(1, 31))
    chart = month_chart(
        Pacing(
            label="November 2026", budget=3000, spent=1100, planned_by_now=1000, forecast=3300,
            planned=planned, course=course, passed=10,
        )
    )  # fmt: skip
    assert chart is not None
    spent, ahead, plan = (numbers(path) for path in (chart.spent, chart.forecast, chart.plan))
    assert spent[:2] == plan[:2]
    assert float(chart.now[1]) < plan[1]
    assert ahead[:2] == spent[-2:] == [float(v) for v in chart.now]
    low, high = (float(v) for v in chart.y_range.split())
    assert (low, high) == (-30.0, 300.0)


def test_a_value_outside_stays_on_the_edge_and_an_unknown_one_is_not_drawn():
    scale = scale_over([0.0, 10.0, None, float("nan")], zero=True)
    assert scale is not None
    assert (scale.at(-5.0), scale.at(99.0)) == ("2.00%", "98.00%")
    assert span(Interval(mean=float("nan"), p05=0, p95=1), scale) is None
    assert scale_over([None, float("nan")], zero=True) is None


def test_a_change_is_drawn_to_its_side_as_long_as_it_is_large():
    up, down = change_bar(50.0, 100.0), change_bar(-100.0, 100.0)
    assert up is not None
    assert down is not None
    assert (up.start, up.width) == ("50.00%", "24.00%")
    assert (down.start, down.width) == ("2.00%", "48.00%")
    assert change_bar(0.0, 100.0) is change_bar(float("nan"), 1.0) is change_bar(1.0, 0.0) is None


def test_curves_come_from_the_posterior_of_the_lines_that_are_drawn():
    plan = sample_plan()
    lines = (*plan.budgets, ("gone", "gone"))
    spend = np.tile(np.linspace(0, 3000, 5), (len(lines), 1))
    value = np.random.default_rng(1).uniform(1, 2, (40, len(lines), 1)) * np.sqrt(spend)
    table = ResponseTable(
        metric="revenue", lines=lines, spend=spend, value=value, organic=np.zeros((40, len(lines)))
    )
    extras = line_extras(plan, table)
    assert {item.line for item in extras} == set(plan.budgets)
    first = extras[0]
    draws = value[:, lines.index(first.line), :]
    assert first.mean == pytest.approx(draws.mean(axis=0))
    assert first.p95 == pytest.approx(np.quantile(draws, 0.95, axis=0))
