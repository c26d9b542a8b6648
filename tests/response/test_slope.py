"""How steep lines are, and what a line that was moved says of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, Posterior, fit_response
from pipeline.response.grid import SHOCK_KEPT
from pipeline.response.kernels import wandering
from pipeline.response.population import common_elasticity
from pipeline.response.slope import _of_wandering, line_slopes
from tests.response.advertiser import advertiser

DAYS, NOISE = 120, 0.1


def lived(walk: float, shock: float, steep: FloatArray, seed: int = 0) -> tuple[FloatArray, ...]:
    """Return outcomes, movements and variances of lines whose budget was moved once and stayed."""
    rng = np.random.default_rng(seed)
    shape = (DAYS, steep.size)
    moved = np.arange(DAYS)[:, None] >= rng.integers(30, 90, steep.size)
    movement = moved * rng.choice([-1.0, 1.0], steep.size)
    level = np.cumsum(rng.normal(0, walk, shape)[::-1], axis=0)[::-1]
    fading = np.empty(shape)
    state = rng.normal(0, shock, steep.size)
    for day in range(DAYS):
        state = SHOCK_KEPT * state + rng.normal(0, shock, steep.size) * (1 - SHOCK_KEPT**2) ** 0.5
        fading[day] = state
    demand = rng.normal(0, 0.2, (DAYS, 1))
    outcome = (1 + steep * movement + level + fading + rng.normal(0, NOISE, shape)) * np.exp(demand)
    return outcome, np.ones(shape), movement, np.full(shape, NOISE**2)


@pytest.mark.parametrize("walk, shock", [(0.0, 0.0), (0.01, 0.0), (0.0, 0.08)])
def test_slopes_err_as_much_as_they_say(walk: float, shock: float):
    steep = np.zeros(600)
    wander = np.tile([walk**2, shock**2], (steep.size, 1))
    slope, variance = line_slopes(*lived(walk, shock, steep), wander)
    assert 0.85 < np.std(slope / np.sqrt(variance)) < 1.15


def test_slopes_are_those_of_each_line_whatever_all_days_did():
    steep = np.linspace(-0.2, 0.2, 200)
    slope, variance = line_slopes(*lived(0.0, 0.0, steep), np.zeros((200, 2)))
    assert np.abs(np.mean((slope - steep) / np.sqrt(variance))) < 0.3
    assert np.corrcoef(slope, steep)[0, 1] > 0.9


def test_what_wandering_adds_is_what_its_covariance_says():
    weight = np.random.default_rng(1).normal(size=(40, 3))
    weight -= weight.mean(axis=0)  # sums to 0, so it does not matter when the level is 0
    walk, shock = wandering(40)
    wander = np.array([[0.2, 0.0], [0.0, 0.7], [0.3, 0.4]])
    slow = [w @ (a * walk + b * shock) @ w for w, (a, b) in zip(weight.T, wander, strict=True)]
    np.testing.assert_allclose(_of_wandering(weight, wander), slow)


def test_days_left_out_teach_nothing():
    outcome, expected, movement, variance = lived(0.0, 0.0, np.full(20, 0.3))
    variance[::3] = np.inf
    wander = np.zeros((20, 2))
    before = line_slopes(outcome, expected, movement, variance, wander)
    outcome[::3] = 1e6
    np.testing.assert_allclose(line_slopes(outcome, expected, movement, variance, wander), before)


def test_a_line_that_moved_far_does_not_speak_for_all():
    own, slope = np.full(10, 0.25), np.zeros(10)
    slope[0] = -0.25  # flat, and known to be
    variance = np.full(10, 0.1**2)
    variance[0] = 1e-6
    found = common_elasticity(own, slope, variance)
    assert found.share[0] < 0.2
    assert 0.2 < found.mean < 0.25
    assert found.error > 0.15 / np.sqrt(10) * 0.9  # ten lines are not a population


def cut(n_lines: int = 12) -> Posterior:
    """Return what is known where two flat lines were cut, and the other budgets hardly moved."""
    steep = np.repeat([0.02, 0.6], [2, n_lines - 2])
    made = advertiser(11, n_lines=n_lines, variation=0.03, chase=0.0, elasticity=steep).history
    spend = made.spend.copy()
    spend[-60:, :2] *= 0.25
    return fit_response(
        replace(made, spend=spend),
        FitSettings(metric="revenue", count="conversions"),
    )


def test_flat_lines_that_were_cut_do_not_make_the_others_flat():
    found = cut().summary()["elasticity"][:, 0]
    assert found[:2].max() < 0.1
    assert np.median(found[2:]) > 0.12
