"""How steep lines are on average, and what a line that was moved says of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, fit_response
from pipeline.response.kernels import wandering
from pipeline.response.slope import LEVEL_SD, SLOPE_SPREAD, mean_slope
from tests.response.advertiser import advertiser

DAYS, NOISE, MEAN = 100, 0.1, 0.25


def lived(
    n_lines: int, seed: int, *, walk: float = 0.0, shock: float = 0.0, spread: float = SLOPE_SPREAD
) -> tuple[FloatArray, ...]:
    """Return the arguments of `mean_slope` for lines whose budget was moved once and stayed."""
    rng = np.random.default_rng(seed)
    shape = (DAYS, n_lines)
    moved = np.arange(DAYS)[:, None] >= rng.integers(20, 80, n_lines)
    movement = moved * rng.choice([-1.0, 1.0], n_lines) + rng.normal(0, 0.02, shape)
    steep = MEAN + rng.normal(0, spread, n_lines)
    level = np.cumsum(rng.normal(0, walk, shape)[::-1], axis=0)[::-1]
    level += np.linalg.cholesky(wandering(DAYS)[1]) @ rng.normal(0, shock, shape)
    day = np.exp(rng.normal(0, 0.2, (DAYS, 1)))
    outcome = (1 + steep * movement + level + rng.normal(0, NOISE, shape)) * day
    wander = np.tile([walk**2, shock**2], (n_lines, 1))
    return outcome, np.ones(shape), movement, np.full(shape, NOISE**2), wander, np.zeros(n_lines)


@pytest.mark.parametrize("n_lines", [2, 5, 12])
@pytest.mark.parametrize("walk, shock", [(0.0, 0.0), (0.01, 0.0), (0.0, 0.08)])
def test_the_mean_errs_as_much_as_it_says(n_lines: int, walk: float, shock: float):
    told = [mean_slope(*lived(n_lines, seed, walk=walk, shock=shock)) for seed in range(60)]
    standard = [(mean - MEAN) * precision**0.5 for mean, precision in told]
    assert 0.7 < np.std(standard) < 1.4
    assert abs(np.mean(standard)) < 0.5


def test_the_mean_is_that_of_all_lines_and_days_at_once():
    outcome, expected, movement, variance, wander, own = lived(4, 1, walk=0.01, shock=0.05)
    found, precision = mean_slope(outcome, expected, movement, variance, wander, own)
    # Written out: one normal distribution of all cells, the days' effects as good as unknown.
    walk, shock = wandering(DAYS)
    blocks = []
    for line in range(4):
        x = movement[:, line] - movement[:, line].mean()
        own_part = wander[line, 0] * walk + wander[line, 1] * shock + LEVEL_SD**2
        blocks.append(own_part + SLOPE_SPREAD**2 * np.outer(x, x) + np.diag(variance[:, line]))
    whole = np.kron(np.ones((4, 4)), 1e3 * np.eye(DAYS))
    for line, block in enumerate(blocks):
        rows = slice(line * DAYS, (line + 1) * DAYS)
        whole[rows, rows] += block
    ratio = outcome / outcome.mean(axis=0)
    y = (ratio / ratio.mean(axis=1, keepdims=True) - 1).T.reshape(-1)
    x = (movement - movement.mean(axis=0)).T.reshape(-1)
    of_x = np.linalg.solve(whole, x)
    assert precision == pytest.approx(of_x @ x, rel=1e-3)
    assert found == pytest.approx(of_x @ y / (of_x @ x), rel=2e-2)


def test_what_lines_are_believed_to_be_changes_nothing():
    outcome, _, movement, *rest, own = lived(6, 3, spread=0.0)
    before, _ = mean_slope(outcome, np.ones(outcome.shape), movement, *rest, own)
    own = np.full(6, 0.2)
    after, _ = mean_slope(outcome, 1 + own * movement, movement, *rest, own)
    assert after == pytest.approx(before, abs=0.03)


def test_days_left_out_teach_nothing():
    outcome, expected, movement, variance, wander, own = lived(6, 4)
    variance[::3] = np.inf
    before = mean_slope(outcome, expected, movement, variance, wander, own)
    outcome[::3] = 1e6
    assert mean_slope(outcome, expected, movement, variance, wander, own) == before


@pytest.mark.parametrize("n_lines, n_days", [(1, 90), (4, 1), (1, 1)])
def test_where_lines_cannot_be_told_from_days_nothing_is_known(n_lines: int, n_days: int):
    rng = np.random.default_rng(5)
    shape = (n_days, n_lines)
    tables = rng.uniform(1, 2, shape), np.ones(shape), rng.normal(size=shape)
    _, known = mean_slope(*tables, np.full(shape, 0.01), np.zeros((n_lines, 2)), np.zeros(n_lines))
    assert known < 1e-3


@pytest.mark.parametrize("silent", [1, 4, 5])
def test_lines_without_a_usable_day_say_nothing(silent: int):
    outcome, expected, movement, variance, wander, own = lived(5, 6)
    variance[:, :silent] = np.inf
    found = mean_slope(outcome, expected, movement, variance, wander, own)
    rest = slice(silent, None)
    alone = [table[:, rest] for table in (outcome, expected, movement, variance)]
    if silent < 5:
        np.testing.assert_allclose(
            found, mean_slope(*alone, wander[rest], own[rest]), rtol=1e-3, atol=1e-3
        )
    else:
        assert found == (0.0, 0.0)


def test_one_line_that_moved_far_does_not_speak_for_all():
    rng = np.random.default_rng(7)
    movement = rng.normal(0, 0.15, (DAYS, 20))
    movement[50:, 0] -= 1.6
    steep = np.append(0.0, np.full(19, MEAN))
    day = np.exp(rng.normal(0, 0.2, (DAYS, 1)))
    outcome = (1 + steep * movement + rng.normal(0, NOISE, movement.shape)) * day
    ones = np.ones(movement.shape)
    mean, _ = mean_slope(outcome, ones, movement, NOISE**2 * ones, np.zeros((20, 2)), np.zeros(20))
    assert mean == pytest.approx(steep.mean(), abs=0.05)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_flat_lines_that_were_cut_do_not_make_the_others_flat(seed: int):
    steep = np.repeat([0.02, 0.6], [2, 10])
    made = advertiser(seed, n_lines=12, variation=0.03, chase=0.0, elasticity=steep).history
    spend = made.spend.copy()
    spend[-60:, :2] *= 0.25
    settings = FitSettings(metric="revenue", count="conversions")
    found = fit_response(replace(made, spend=spend), settings).summary()["elasticity"][:, 0]
    assert np.median(found[2:]) > 2.5 * found[:2].max()
    assert np.median(found[2:]) > 0.25 * 0.6 * 0.7  # a quarter of the truth
