"""Jumps of levels: found where they were, not where spend explains them, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.response.belief import jumped
from pipeline.response.breaks import STEP_SD, WALK_SD, Breaks, _solve, find_breaks
from pipeline.response.grid import SHOCK_KEPT

N_DAYS, SHOCK = 180, 0.04**2


def market(rng, jumps=(), n_lines=12, noise=0.2):
    """Away, variance, movement, usable, shock: lines whose level did `jumps` (line, day, ratio)."""
    away = rng.normal(0, noise, (N_DAYS, n_lines))
    shock = np.zeros(n_lines)
    for day in range(N_DAYS):
        fresh = rng.normal(0, np.sqrt(SHOCK * (1 - SHOCK_KEPT**2)), n_lines)
        shock = SHOCK_KEPT * shock + fresh
        away[day] += shock
    for line, day, ratio in jumps:
        away[:day, line] += ratio - 1
    movement = np.repeat(rng.normal(0, 0.3, (9, n_lines)), N_DAYS // 9, axis=0)
    usable = rng.random(away.shape) > 0.05
    return away, np.full(away.shape, noise**2), movement, usable, np.full(n_lines, SHOCK)


def test_the_statistic_of_all_days_is_that_of_the_covariance_written_out():
    rng = np.random.default_rng(4)
    n_days = 25
    series, noise = rng.normal(size=(n_days, 3, 1)), rng.uniform(0.01, 0.05, (n_days, 1))
    usable = rng.random((n_days, 1)) > 0.2
    loose = np.zeros((n_days, 1))
    loose[9] = STEP_SD**2
    series = np.where(usable[:, None], series, 0.0)
    solved, told = _solve(series, noise, usable, np.array([SHOCK]), loose)
    age, use = np.arange(n_days, 0, -1), usable[:, 0]
    before = np.arange(n_days)[:, None] <= np.arange(n_days)  # of a step after each day
    covariance = WALK_SD**2 * np.minimum(age[:, None], age)
    covariance = covariance + SHOCK * SHOCK_KEPT ** np.abs(age[:, None] - age)
    covariance += STEP_SD**2 * np.outer(before[:, 9], before[:, 9]) + np.diag(noise[:, 0])
    inverse = np.linalg.inv(covariance[np.ix_(use, use)])
    np.testing.assert_allclose(solved[use, :, 0], inverse @ series[use, :, 0], rtol=1e-8)
    steps = before[use].astype(float)
    np.testing.assert_allclose(told[:, 0], np.diag(steps.T @ inverse @ steps), rtol=1e-8)


def test_jumps_are_found_on_their_day_and_as_large_as_they_were():
    jumps = ((2, 60, 0.6), (5, 100, 1.5), (5, 140, 0.7), (9, 168, 1.8))
    found = find_breaks(*market(np.random.default_rng(1), jumps))
    assert list(found.line) == [2, 5, 5, 9]
    np.testing.assert_allclose(found.day, [60, 100, 140, 168], atol=3)
    # Line 5 was at 1.5 + .7 - 1 of today's level, then at .7 of it.
    np.testing.assert_allclose(found.ratio, [0.6, 1.2 / 0.7, 0.7, 1.8], atol=0.25)
    assert (np.abs(found.ratio - [0.6, 1.2 / 0.7, 0.7, 1.8]) < 4 * found.sd).all()


def test_lines_that_only_scatter_and_wander_never_jump():
    rng = np.random.default_rng(2)
    lines = sum(find_breaks(*market(rng)).line.size for _ in range(25))
    assert lines <= 3  # of 300


@pytest.mark.parametrize("slope", [-0.3, 0.4, 0.6])
def test_what_a_change_of_the_budget_did_is_no_jump(slope):
    rng = np.random.default_rng(3)
    away, variance, movement, usable, shock = market(rng)
    movement[:90], movement[90:] = -0.3, 0.3
    away += slope * (movement - movement[-1])
    assert find_breaks(away, variance, movement, usable, shock).line.size <= 1


@pytest.mark.parametrize("days", [slice(-2, None), slice(90, 93)])
def test_a_few_odd_days_are_no_jump(days):
    away, variance, movement, usable, shock = market(np.random.default_rng(5))
    away[days] += 1.0
    assert find_breaks(away, variance, movement, usable, shock).line.size == 0


def test_levels_before_all_jumps_are_scaled_by_all_of_them():
    breaks = Breaks(
        line=np.array([1, 1]),
        day=np.array([3, 6]),
        ratio=np.array([2.0, 0.5]),
        sd=np.array([0.2, 0.1]),
    )
    table = breaks.scale(np.ones((8, 2)))
    np.testing.assert_allclose(table[:, 1], [1, 1, 1, 0.5, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(table[:, 0], 1.0)
    steps = breaks.steps((8, 1), 1)
    np.testing.assert_allclose(steps[[2, 5], 0], [0.01, 0.04], rtol=1e-6)
    assert steps.sum() == pytest.approx(0.05)
    assert Breaks.none().steps((8, 2), 0).sum() == 0


@pytest.mark.parametrize("deviations", [6, 20, 60])
def test_an_odd_day_after_a_jump_changes_neither_its_finding_nor_its_size(deviations):
    market_of = market(np.random.default_rng(3), ((4, 160, 0.5),))
    usual = find_breaks(*market_of)
    market_of[0][168, 4] += deviations * 0.2
    market_of[3][168, 4] = True
    odd = find_breaks(*market_of)
    assert list(odd.line) == list(usual.line) == [4]
    np.testing.assert_allclose(odd.day, usual.day, atol=1)
    np.testing.assert_allclose(odd.ratio, usual.ratio, atol=0.08)
    np.testing.assert_allclose(usual.ratio, 0.5, atol=0.15)


def test_jumps_are_looked_for_anew_in_what_days_were_and_not_in_what_they_were_freed_to():
    """Known ones change neither what is found nor how unsure days are: both are the days' own."""
    jumps = ((2, 60, 0.3), (5, 100, 2.0))
    away, variance, movement, usable, shock = market(np.random.default_rng(6), jumps)
    base = np.full(away.shape, 50.0)
    nothing = jumped(
        Breaks.none(), (1 + away) * base, base, variance * base**2, movement, usable, shock
    )
    known = Breaks(
        line=np.array([2, 5]), day=np.array([60, 100]), ratio=np.array([0.3, 2.0]),
        sd=np.array([0.05, 0.05]),
    )  # fmt: skip
    spread = known.free(np.sqrt(variance) * base)
    again = jumped(
        known, known.free((1 + away) * base), base, np.square(spread), movement, usable, shock
    )
    for found, freed in (nothing, again):
        assert list(found.line) == [2, 5]
        np.testing.assert_allclose(freed, found.free((1 + away) * base))
    for name in ("day", "ratio", "sd"):
        np.testing.assert_allclose(getattr(again[0], name), getattr(nothing[0], name), rtol=1e-9)
