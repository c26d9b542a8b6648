"""Alarms keep the rate that was set, whatever the series are like, and find real shifts."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scoring.drift import LEARNING_DAYS, alarm_limit, find_shifts, run_length

DAYS = 180


def series(n: int, kept: float, seed: int, *, heavy: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (DAYS, n)
    step = rng.standard_t(4, shape) / np.sqrt(2) if heavy else rng.standard_normal(shape)
    out = step.copy()
    for day in range(1, DAYS):
        out[day] += kept * out[day - 1]
    return out * np.sqrt(1 - kept**2)


@pytest.mark.parametrize(("kept", "heavy"), [(0.0, False), (0.3, True), (0.6, False)])
def test_false_alarms_come_as_often_as_was_set(kept: float, heavy: bool) -> None:
    n, rate = 1000, 40.0
    alarms = len(find_shifts(series(n, kept, 5, heavy=heavy), alarm_limit(n, rate)))
    expected = rate * (DAYS - LEARNING_DAYS) / 365
    assert 0.4 * expected <= alarms <= 1.8 * expected


def test_run_length_is_that_of_simulated_sums() -> None:
    rng = np.random.default_rng(2)
    limit, sums, alarms = 3.0, np.zeros(2000), 0
    for _ in range(600):
        score = np.clip(rng.standard_normal(2000), -3, 3)
        sums = np.maximum(0, sums + score - 0.5)
        alarms += int((sums > limit).sum())
        sums = np.where(sums > limit, 0.0, sums)
    assert 600 * 2000 / alarms == pytest.approx(run_length(limit), rel=0.06)


def test_a_shift_of_two_deviations_is_found_within_a_fortnight_and_dated() -> None:
    table = series(200, 0.0, 7)
    table[100:] += 2.0
    found = [shift for shift in find_shifts(table, alarm_limit(50, 1.0)) if shift.noticed >= 100]
    first = {shift.series: shift for shift in reversed(found)}
    delays = np.array([first[i].noticed - 100 if i in first else 99 for i in range(200)])
    assert np.median(delays) <= 9
    assert np.mean(delays <= 14) >= 0.9
    assert np.median([abs(shift.began - 100) for shift in first.values()]) <= 3
    assert np.median([shift.after - shift.before for shift in first.values()]) > 1.4


def test_a_single_odd_day_never_alarms() -> None:
    table = series(100, 0.0, 9)
    before = len(find_shifts(table, alarm_limit(100, 1.0)))
    table[90] += 50.0
    assert len(find_shifts(table, alarm_limit(100, 1.0))) <= before + 1


def test_days_that_say_nothing_are_skipped() -> None:
    table = series(20, 0.0, 11)
    table[50:60] = np.nan
    table[:, 0] = np.nan
    table[110:, 1] += 3.0
    found = find_shifts(table, alarm_limit(20, 1.0))
    assert {shift.series for shift in found} == {1}
