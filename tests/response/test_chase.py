"""Spend that follows the day is an answer to demand, not a cause of outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.history import History
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, fit_response
from pipeline.response.chase import USUAL, chase_sd, fast_movement
from tests.response.advertiser import advertiser

DAYS, LINES = 180, 12


def test_a_budget_that_was_set_is_no_fast_movement_but_a_day_is():
    movement = np.zeros((40, 2))
    movement[20:, 0] = 0.5
    movement[20, 1] = 0.5
    fast = fast_movement(movement)
    assert (fast[:, 0] == 0).all()
    assert fast[20, 1] == pytest.approx(0.5)
    assert np.abs(np.delete(fast[:, 1], 20)).max() == 0


@pytest.mark.parametrize("n_days", [1, 2, 6, 7, 8, 30])
def test_fast_movements_are_what_the_median_of_the_days_around_leaves(n_days: int):
    movement = np.random.default_rng(n_days).normal(size=(n_days, 3)).astype(np.float32)
    around = [np.median(movement[max(t - 3, 0) : t + 4], axis=0) for t in range(n_days)]
    np.testing.assert_allclose(fast_movement(movement), movement - around, atol=1e-6)


def answers(chase: float, noise: float = 0.05, lines: int = LINES) -> float:
    """Return what is found where each day's spend follows the line's own day by `chase`."""
    rng = np.random.default_rng(8)
    own = rng.normal(0, 0.1, (DAYS, lines))
    budget = np.repeat(rng.normal(0, 0.3, (DAYS // 10, lines)), 10, axis=0)
    movement = budget + chase * own + rng.normal(0, 0.2, (DAYS, lines))
    freed = np.exp(own) + rng.normal(0, noise, (DAYS, lines))
    expected = np.ones((DAYS, lines))
    variance = np.full((DAYS, lines), noise**2 + 0.1**2)
    variance[::17] = np.inf
    return chase_sd(freed, expected, variance, movement, fast_movement(movement))


def test_how_much_spend_follows_the_day_is_found():
    none, half, whole = answers(0.0), answers(0.5), answers(1.0)
    assert none < 0.07 < half < 0.11 < whole


@pytest.mark.parametrize("lines", [12, 1000])
def test_where_nothing_can_be_told_it_is_as_usual(lines: int):
    assert answers(0.0, noise=30.0, lines=lines) == pytest.approx(USUAL, rel=0.25)


@pytest.mark.parametrize("lines", [3, 1000])
def test_no_usable_day_still_gives_a_number(lines: int):
    nothing = np.full((20, lines), np.inf)
    movement = np.random.default_rng(0).normal(size=(20, lines))
    ones = np.ones((20, lines))
    found = chase_sd(ones, ones, nothing, movement, fast_movement(movement))
    assert found == pytest.approx(USUAL, rel=0.05)


def chased(chase: float) -> tuple[History, FloatArray]:
    """Return lines whose daily spend follows their own customers, and true elasticities."""
    rng = np.random.default_rng(3)
    steep = np.linspace(0.15, 0.45, LINES)
    own = rng.normal(0, 0.15, (DAYS, LINES))
    budget = np.repeat(rng.normal(0, 0.3, (DAYS // 10, LINES)), 10, axis=0)
    budget -= budget[-1]
    spend = 400.0 * np.exp(budget + chase * own)
    outcome = rng.poisson(120.0 * np.exp(own + steep * np.log(spend / 400.0)))
    history = replace(
        advertiser(0, n_lines=LINES).history,
        spend=spend,
        outcomes={"conversions": outcome.astype(float)},
    )
    return history, steep


def test_money_that_follows_a_line_s_own_days_does_not_pass_for_effect():
    history, steep = chased(1.0)
    found = fit_response(history, FitSettings(metric="conversions")).summary()["elasticity"]
    assert np.median(found[:, 0] - steep) < 0.12
    assert np.mean((found[:, 1] <= steep) & (steep <= found[:, 2])) >= 0.75
