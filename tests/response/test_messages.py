"""Lift tests as messages: what lines learn from them, against sums that were worked out slowly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_ndtr

from pipeline.core.history import History, LiftTest
from pipeline.core.types import FloatArray
from pipeline.response import FitSettings, Posterior, fit_response
from pipeline.response.evidence import Evidence, single
from pipeline.response.experiments import Readout
from pipeline.response.grid import SHARES
from pipeline.response.messages import CELL, with_readouts
from pipeline.response.taught import Caused, Taught
from tests.response.advertiser import advertiser

REVENUE = FitSettings(metric="revenue", count="conversions")
LEVELS = np.array([10_700.0, 4_300.0, 5_700.0])
USUAL, WIDTH = np.array([0.05, 0.25, 0.57]), np.array([0.2, 0.05, 0.25])
SURE = 0.04  # relative deviation of a level
EFFECT = np.array([14.0, 11.0, 15.0])


def by_the_days() -> tuple[Evidence, FloatArray]:
    """Three lines whose shares are known this way and that: low and skewed, well, hardly."""
    shape = (3, 1, 1, SHARES.size)
    level = np.broadcast_to(LEVELS[:, None, None, None], shape)
    weight = np.exp(-0.5 * np.square((SHARES - USUAL[:, None]) / WIDTH[:, None]))
    evidence = Evidence(
        log_likelihood=np.zeros(shape, dtype=np.float32),
        level_mean=single(level),
        level_sd=single(SURE * level),
        drift=np.ones((3, 1)),
    )
    return evidence, (weight / weight.sum(axis=1, keepdims=True)).reshape(shape)


def lines_test(lift: float, error: float, *lines: int) -> Readout:
    return Readout(
        lines=np.array(lines), contrast=EFFECT[None, None, list(lines)], lift=lift,
        variance=error**2,
    )  # fmt: skip


def learn(*tests: Readout) -> tuple[FloatArray, FloatArray, Taught, FloatArray]:
    """Return mean and deviation of each line's part of a lift, and all there is to draw from."""
    evidence, weight = by_the_days()
    _, taught, weight = with_readouts(evidence, tests, single(weight), np.ones(3), np.zeros(3))
    precision = taught.sd**-2.0
    mean, variance = Caused(precision=precision, shift=taught.mean * precision).moments()
    effect = EFFECT[taught.lines]
    total = effect * (weight * mean).sum(axis=(1, 2, 3))
    second = np.square(effect) * (weight * (variance + np.square(mean))).sum(axis=(1, 2, 3))
    return total, np.sqrt(second - np.square(total)), taught, weight


def slowly(lift: float, error: float) -> tuple[FloatArray, FloatArray]:
    """The same for a test on all three lines, by adding up densities on a fine grid."""
    _, weight = by_the_days()
    grid = np.linspace(0, 240_000, 2401)
    densities = []
    for line in range(3):
        centre = EFFECT[line] * LEVELS[line] * SHARES
        sd = EFFECT[line] * LEVELS[line] * np.hypot(CELL, SURE * SHARES)
        away = (grid[:, None] - centre) / sd
        each = np.exp(-0.5 * np.square(away) - log_ndtr(centre / sd)) / sd
        density = each @ weight[line].reshape(-1)
        densities.append(density / density.sum())
    means, sds = np.empty(3), np.empty(3)
    for line in range(3):
        one, other = (densities[i] for i in range(3) if i != line)
        rest = np.convolve(one, other)
        at = grid[1] * np.arange(rest.size)
        left = np.exp(-0.5 * np.square((lift - grid[:, None] - at) / error)) @ rest
        density = densities[line] * left
        density /= density.sum()
        means[line] = density @ grid
        sds[line] = np.sqrt(density @ np.square(grid - means[line]))
    return means, sds


@pytest.mark.parametrize(
    ("lift", "error"),
    [(5e3, 1e3), (3e4, 1e3), (7e4, 3e3), (1.2e5, 1e3), (1.9e5, 3e3), (7e4, 3e4)],
)
def test_lines_that_were_tested_together_know_what_a_slow_sum_says(lift: float, error: float):
    """From far below to far above the 83,000 that the days expect, and for a test that is vague."""
    mean, sd, _, _ = learn(lines_test(lift, error, 0, 1, 2))
    exact, exact_sd = slowly(lift, error)
    assert mean.sum() == pytest.approx(exact.sum(), rel=0.03)
    np.testing.assert_allclose(mean, exact, atol=0.15 * exact_sd.max())
    np.testing.assert_allclose(sd, exact_sd, rtol=0.15)


def test_drawn_sums_scatter_as_the_test_says_and_every_line_keeps_its_draws():
    mean, _, taught, weight = learn(lines_test(30_000, 1_000, 0, 1, 2))
    rng = np.random.default_rng(4)
    shown = []
    for row in range(3):
        share = rng.choice(SHARES.size, 400, p=weight[row].reshape(-1) / weight[row].sum())
        node = np.zeros_like(share), np.zeros_like(share), share
        shown.append(taught.shown(row, node, taught.draw(row, node, rng)))
    table = np.stack([each[0] for each in shown], axis=1)
    order = np.tile(np.arange(400)[:, None], 3)
    taught.pair(shown, (order,), rng)
    assert (np.sort(order, axis=0) == np.arange(400)[:, None]).all()
    paired = np.take_along_axis(table, order, axis=0).sum(axis=1)
    assert table.sum(axis=1).std() > 5_000
    assert paired.std() < 1_500
    assert paired.mean() == pytest.approx(mean.sum(), rel=0.05)


def test_tests_that_share_a_line_agree_with_each_other_in_the_end():
    """What all three show and what two of them show leaves the third the difference."""
    mean, sd, _, _ = learn(lines_test(60_000, 500, 0, 1, 2), lines_test(40_000, 500, 1, 2))
    assert mean[0] == pytest.approx(20_000, abs=2_500)
    assert mean[1:].sum() == pytest.approx(40_000, abs=2_500)
    assert sd[0] < 5_000  # before, and from the first test alone: above 10,000


def test_one_line_is_learned_exactly_and_its_level_stays():
    evidence, weight = by_the_days()
    after, taught, _ = with_readouts(
        evidence, (lines_test(2_000, 100, 0),), single(weight), np.ones(3), np.zeros(3)
    )
    mean, sd, _, _ = learn(lines_test(2_000, 100, 0))
    assert mean[0] == pytest.approx(2_000, abs=20)
    assert sd[0] == pytest.approx(100, rel=0.05)
    np.testing.assert_array_equal(after.level_mean, evidence.level_mean)
    assert taught.lines.tolist() == [0]


@pytest.mark.parametrize("error", [1.0, 1e-6, 1e-12])
def test_an_error_of_next_to_nothing_is_no_trouble_for_digits(error: float):
    with np.errstate(invalid="raise", divide="raise"):
        mean, sd, _, _ = learn(lines_test(33_600, error, 0), lines_test(9_000, error, 1, 2))
    assert mean[0] == pytest.approx(33_600, rel=1e-3)
    assert mean[1:].sum() == pytest.approx(9_000, rel=0.05)
    assert np.isfinite(sd).all()


def whole(posterior: Posterior, line: int) -> float:
    """Return what a line expects tomorrow, caused by its money or not."""
    knots = posterior.recent_spend[:, None] * np.array([0.0, 1.0])
    table, mean = posterior.tabulate(knots, np.random.default_rng(0), 400)
    return float(table.organic[:, line].mean() + mean[line, 1])


def on_first(history: History, lift: float, error: float) -> LiftTest:
    """A fortnight's test of all the first line's money."""
    window = slice(120, 134)
    return LiftTest(
        lines=history.lines[:1], first_day=history.days[120], last_day=history.days[133],
        lift=lift, standard_error=error, spend_change=float(history.spend[window, 0].sum()),
    )  # fmt: skip


def test_a_test_in_days_of_high_demand_shows_more_and_teaches_the_same():
    """Twice the demand for a fortnight, twice the lift: the curve is the same."""
    history = advertiser(5).history
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    for table in outcomes.values():
        table[120:134] *= 2
    busy = replace(history, outcomes=outcomes)
    lift = 0.4 * float(history.outcomes["revenue"][120:134, 0].sum())
    shares = []
    for past, times in ((history, 1), (busy, 2)):
        test = on_first(past, times * lift, 0.02 * times * lift)
        untaught, taught = (fit_response(past, REVENUE, lift_tests=t) for t in ((), (test,)))
        shares.append(taught.summary()["incremental_share"][0, 0])
        assert whole(taught, 0) == pytest.approx(whole(untaught, 0), rel=0.02)
    assert shares[0] == pytest.approx(0.4, abs=0.06)
    assert shares[1] == pytest.approx(shares[0], abs=0.04)


def test_a_test_before_a_level_jumped_is_read_on_the_level_of_its_own_days():
    """Two fifths of today's level, two fifths of the lift: the curve is the same."""
    history = advertiser(1, level=300.0).history
    outcomes = {name: table.copy() for name, table in history.outcomes.items()}
    for table in outcomes.values():
        table[:150, 0] = np.round(0.4 * table[:150, 0])
    lower = replace(history, outcomes=outcomes)
    lift = 0.5 * float(history.outcomes["revenue"][120:134, 0].sum())
    caused = []
    for past, times in ((history, 1.0), (lower, 0.4)):
        test = on_first(past, times * lift, 0.03 * times * lift)
        taught = fit_response(past, REVENUE, lift_tests=(test,))
        jumps = [item for item in taught.findings if item.check == "model.jumps"]
        assert len(jumps) == (times < 1)
        knots = taught.recent_spend[:, None] * np.array([0.0, 1.0])
        mean = taught.tabulate(knots, np.random.default_rng(0), 400)[1]
        caused.append(mean[0, 1] - mean[0, 0])
    assert caused[1] == pytest.approx(caused[0], rel=0.2)
