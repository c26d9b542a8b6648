"""Scores converge to the truth: known forecasts, known outcomes, known lateness."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.forecast import LEVELS, Forecast, Paid
from pipeline.core.types import FloatArray
from pipeline.runs.scoring import _plain
from pipeline.scoring.calibration import calibrate, calibration_findings, widening
from pipeline.scoring.scores import Promised, Realised, Spent, adoption, score_plans

FIRST = date(2026, 1, 1)
LINES = (("search", "a"), ("social", "b"))
TRUE_MEAN = np.array([1000.0, 400.0])
SLOPE = np.array([2.0, 1.0])
BUDGET = np.array([100.0, 50.0])
RELATIVE_SD = 0.1
Z = np.array([-1.645, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.645])


def promise(day: int, *, sd: float = RELATIVE_SD, bias: float = 1.0) -> Promised:
    mean = np.append(TRUE_MEAN, TRUE_MEAN.sum()) * bias
    spread = np.append(TRUE_MEAN, np.hypot(*TRUE_MEAN)) * sd
    return Promised(
        plan_id=f"p{day}",
        is_published=True,
        forecast=Forecast(
            metric="revenue",
            day=FIRST + timedelta(days=day),
            lines=LINES,
            horizons=(1,),
            spend=np.append(BUDGET, BUDGET.sum()),
            status_quo_spend=np.append(0.8 * BUDGET, 0.8 * BUDGET.sum()),
            mean=mean[None],
            status_quo=mean[None] * 0.95,
            slope=np.append(SLOPE, SLOPE.mean())[None],
            quantiles=(mean[:, None] + spread[:, None] * Z)[None],
        ),
    )


def realised(
    n_days: int, *, complete: FloatArray | None = None, spend: FloatArray = BUDGET, seed: int = 1
) -> tuple[Realised, FloatArray]:
    rng = np.random.default_rng(seed)
    paid = np.broadcast_to(spend, (n_days, 2)).copy()
    noise = 1 + RELATIVE_SD * rng.standard_normal((n_days, 2))
    truth = TRUE_MEAN * noise + SLOPE * (paid - BUDGET)
    share = np.ones((n_days, 2)) if complete is None else complete
    seen = Realised(
        days=tuple(FIRST + timedelta(days=i) for i in range(n_days)),
        lines=LINES,
        spend=paid,
        outcome=truth * share,
        complete=share,
        trusted=np.ones((n_days, 2), dtype=bool),
    )
    return seen, truth


def test_levels_are_those_of_the_normal_deviates_used_here() -> None:
    assert len(LEVELS) == Z.size


def test_coverage_and_bias_converge_to_the_truth() -> None:
    errors = []
    for n in (20, 200, 1000):
        seen, _ = realised(n)
        found = calibrate(score_plans([promise(day) for day in range(n)], seen))
        assert {item.line for item in found} == {(), *LINES}
        for item in found:
            assert item.coverage_low <= 0.9 <= item.coverage_high or n < 1000
        errors.append(max(abs(item.bias) + abs(item.coverage - 0.9) for item in found))
    assert errors[-1] < 0.03
    assert errors[-1] <= errors[0]


def test_a_known_bias_is_measured_and_told() -> None:
    seen, _ = realised(60)
    found = calibrate(score_plans([promise(day, bias=1.25) for day in range(60)], seen))
    total = next(item for item in found if not item.line)
    assert total.bias == pytest.approx(1 / 1.25 - 1, abs=0.03)
    assert total.bias_low < 1 / 1.25 - 1 < total.bias_high
    checks = {finding.check for finding in calibration_findings(found)}
    assert "forecast-bias" in checks


def test_intervals_that_are_too_narrow_are_told_and_widened() -> None:
    seen, _ = realised(60)
    narrow = calibrate(score_plans([promise(d, sd=RELATIVE_SD / 2) for d in range(60)], seen))
    assert "forecast-coverage" in {finding.check for finding in calibration_findings(narrow)}
    assert 1.4 < widening(narrow) < 2.3
    right = calibrate(score_plans([promise(day) for day in range(60)], seen))
    assert widening(right) == 1.0
    assert calibration_findings(right) == []


def test_young_days_are_completed_and_do_not_count_before_they_are_mature() -> None:
    ages = np.arange(40, 0, -1)
    share = np.repeat((1 - 0.6 * np.exp(-ages / 5.0))[:, None], 2, axis=1)
    seen, truth = realised(40, complete=share)
    scores = score_plans([promise(day) for day in range(40)], seen)
    for item in scores:
        row = (item.day - FIRST).days
        true = truth[row].sum() if not item.line else truth[row, LINES.index(item.line)]
        assert item.came == pytest.approx(true)
        assert item.is_mature == (item.complete_share >= 0.9)
        assert item.reported < item.came
    assert min(item.complete_share for item in scores) >= 0.5
    counted = next(item for item in calibrate(scores) if not item.line).forecasts
    assert counted == int((share[:, 0] >= 0.9).sum())


def test_a_forecast_is_held_to_the_money_that_was_spent() -> None:
    seen, _ = realised(300, spend=BUDGET * np.array([0.5, 1.0]))
    found = calibrate(score_plans([promise(day) for day in range(300)], seen))
    first = next(item for item in found if item.line == LINES[0])
    assert abs(first.bias) < 0.02


def test_a_line_in_doubt_is_left_out_and_the_total_with_it() -> None:
    seen, _ = realised(3)
    seen.trusted[1, 0] = False
    scores = score_plans([promise(day) for day in range(3)], seen)
    on_day = {score.line for score in scores if (score.day - FIRST).days == 1}
    assert on_day == {LINES[1]}


def test_adoption_says_how_much_of_the_move_was_made() -> None:
    for share in (0.0, 0.5, 1.0):
        spend = BUDGET * (0.8 + 0.2 * share)
        seen, _ = realised(1, spend=spend)
        found = adoption(promise(0), seen)
        assert found is not None
        assert found.adopted_share == pytest.approx(share)
        assert found.delivered_share == pytest.approx(0.8 + 0.2 * share)
        assert found.astray == pytest.approx(0.0, abs=1e-9)


def test_of_moves_that_are_drowned_by_other_money_no_share_is_told() -> None:
    rng = np.random.default_rng(1)
    plan, told = promise(0), []
    for move in (0.003, 0.3):  # of the money; days scatter by a tenth
        status_quo = BUDGET * (1 + move * np.array([1.0, -1.0]) * BUDGET.sum() / BUDGET / 2)
        quiet = replace(plan.forecast, status_quo_spend=np.append(status_quo, status_quo.sum()))
        for _ in range(40):
            seen, _ = realised(1, spend=BUDGET * rng.lognormal(0.0, 0.1, 2))
            found = adoption(replace(plan, forecast=quiet), seen)
            assert found is not None
            assert found.adopted_share is None or -1 <= found.adopted_share <= 3
            told.append(found.adopted_share is not None)
    assert np.mean(told[:40]) < 0.2
    assert all(told[40:])


def test_forecasts_of_weeks_count_as_far_as_they_do_not_overlap() -> None:
    seen, _ = realised(84)
    for every, independent in ((1, 78 / 7), (7, 12.0), (14, 6.0)):
        plans = [
            replace(item, forecast=replace(item.forecast, horizons=(7,)))
            for item in map(promise, range(0, 78, every))
        ]
        total = next(item for item in calibrate(score_plans(plans, seen)) if not item.line)
        assert total.forecasts == len(plans)
        assert total.independent == pytest.approx(independent)


def test_of_a_group_it_counts_which_line_the_money_went_to() -> None:
    """Two lines of one group with slopes of their own, and one that the plan did not know."""
    lines, group = (("a", "tv"), ("a", "search"), ("b", "tv")), ("a",)
    plan = promise(0)
    paid = Paid(
        lines=lines,
        group=np.array([0, 0, -1]),
        spend=np.array([60.0, 40.0, 7.0]),
        status_quo_spend=np.array([50.0, 50.0, 7.0]),
        slope=np.array([[2.0, 5.0, 9.0]]),
    )
    plan = replace(plan, forecast=replace(plan.forecast, lines=(group, ("c",)), paid=paid))
    spent = np.array([[50.0, 60.0, 7.0, 10.0]])  # the last is new
    seen = Realised(
        days=(FIRST,),
        lines=(group, ("c",)),
        spend=np.array([[120.0, 50.0]]),
        outcome=np.array([[1100.0, 400.0]]),
        complete=np.ones((1, 2)),
        trusted=np.ones((1, 2), dtype=bool),
        spent=Spent(lines=(*lines, ("a", "new")), spend=spent),
    )
    found = {item.line: item for item in score_plans([plan], seen)}
    by_line = -10 * 2 + 20 * 5 + 10 * SLOPE[0]  # what nobody knew moves as the group does
    assert found[group].given == pytest.approx(TRUE_MEAN[0] + by_line)
    assert found["c",].given == TRUE_MEAN[1]
    assert found[()].given == pytest.approx(TRUE_MEAN.sum() + by_line)
    adopted = adoption(plan, seen)
    assert adopted is not None
    assert adopted.adopted_share == pytest.approx((0 - 10) / 20)
    assert adopted.delivered_share == pytest.approx(117 / 107)


def test_where_nothing_was_forecast_no_share_is_told() -> None:
    came = np.full(60, 5.0)
    for outcome in (np.zeros(60), came):
        seen = Realised(
            days=tuple(FIRST + timedelta(days=i) for i in range(60)),
            lines=LINES,
            spend=np.zeros((60, 2)),
            outcome=np.stack([outcome, np.zeros(60)], axis=1),
            complete=np.ones((60, 2)),
            trusted=np.ones((60, 2), dtype=bool),
        )
        found = calibrate(score_plans([nothing(day) for day in range(60)], seen))
        total = next(item for item in found if not item.line)
        told = [item for item in calibration_findings(found) if item.check == "forecast-bias"]
        if outcome.any():
            assert total.bias == total.bias_low == total.bias_high == np.inf
            assert json.loads(json.dumps(_plain(total), allow_nan=False))["bias"] is None
            said = "60 forecasts over 1 days: nothing was forecast, and 5 came each time"
            assert [item.message for item in told] == [said]
        else:
            assert total.bias == total.bias_low == total.bias_high == 0.0
            assert told == []


def nothing(day: int) -> Promised:
    given = promise(day)
    zeros = {
        name: np.zeros_like(getattr(given.forecast, name))
        for name in ("mean", "status_quo", "slope", "quantiles", "spend", "status_quo_spend")
    }
    return replace(given, forecast=replace(given.forecast, **zeros))
