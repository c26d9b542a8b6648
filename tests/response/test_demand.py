"""Demand on paths that are known, and against plain conditioning of one big normal distribution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response import demand as module
from pipeline.response.demand import CURVE_SD, SLOPE_SD, Demand, Shown, estimate_demand
from pipeline.response.kernels import Days, wandering
from pipeline.response.scales import learn_scales
from pipeline.response.special_days import NamedDays

SHOCK, CHANNEL = 0.12, 0.15


def fading(rng: np.random.Generator, sd: float, n_days: int, n: int) -> FloatArray:
    out = np.zeros((n_days, n))
    for day in range(1, n_days):
        out[day] = 0.85 * out[day - 1] + sd * np.sqrt(1 - 0.85**2) * rng.standard_normal(n)
    return out


def market(
    seed: int, n_days: int = 180, per_channel: int = 4, noise: float = 0.15, channels: int = 3
) -> tuple[Shown, IntArray, IntArray, FloatArray]:
    """Return what lines show, their channels, the weekdays, and true log demand."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(channels), per_channel)
    weekdays = np.arange(n_days + 1) % 7
    week = 0.1 * rng.standard_normal(7)
    season = 0.2 * np.sin(np.arange(n_days) / n_days * 2 * np.pi)
    demand = week[weekdays[:-1]] + season + fading(rng, SHOCK, n_days, 1)[:, 0]
    each = demand[:, None] + fading(rng, CHANNEL, n_days, channels)[:, groups]
    movement = np.repeat(rng.normal(0, 0.3, (n_days // 15 + 1, groups.size)), 15, axis=0)[:n_days]
    slope = rng.normal(0, SLOPE_SD, groups.size)
    log = each + slope * movement + noise * rng.standard_normal(each.shape)
    shown = Shown(
        log=log,
        variance=np.full(log.shape, noise**2),
        movement=movement,
        walk=np.full(groups.size, 1e-6),
        shock=np.full(groups.size, 1e-4),
    )
    return shown, groups, weekdays, each


def estimated(shown: Shown, groups: IntArray, weekdays: IntArray) -> Demand:
    nothing = NamedDays(names=(), kind=np.full(len(shown.log), -1))
    return estimate_demand(shown, groups, weekdays, np.zeros(len(shown.log)), nothing)


def error(demand: Demand, truth: FloatArray) -> FloatArray:
    """Return the error of log demand, measured like demand itself against its anchor."""
    away = np.log(demand.factor) - truth
    return np.asarray(away - away[-31:-3].mean(axis=0))


def test_how_much_demand_there_is_shows_in_how_lines_move_together():
    found = []
    for seed in range(6):
        shown, groups, weekdays, _ = market(seed)
        scales = learn_scales(shown.log, shown.variance, groups, weekdays[:-1])
        found.append((scales.shock, scales.channel))
    shock, channel = np.sqrt(np.mean(found, axis=0))
    assert abs(shock / SHOCK - 1) < 0.35
    assert abs(channel / CHANNEL - 1) < 0.35


def test_lines_that_share_nothing_show_next_to_no_demand():
    rng = np.random.default_rng(0)
    log, variance = 0.2 * rng.standard_normal((200, 12)), np.full((200, 12), 0.04)
    scales = learn_scales(log, variance, np.repeat(np.arange(3), 4), np.arange(200) % 7)
    assert np.sqrt(scales.shock) < 0.05
    assert np.sqrt(scales.channel) < 0.05


def test_demand_is_found_and_its_error_is_as_large_as_said():
    errors, inside = [], []
    for seed in range(4):
        shown, groups, weekdays, truth = market(seed)
        demand = estimated(shown, groups, weekdays)
        away = error(demand, truth)
        sd = np.sqrt(demand.variance + np.square(demand.modes_of(slice(None))).sum(axis=0))
        errors.append(away.std())
        inside.append(np.mean(np.abs(away) < 1.645 * sd))
    assert np.mean(errors) < 0.6 * np.hypot(SHOCK, CHANNEL)
    assert 0.82 <= np.mean(inside) <= 0.96


def test_slow_errors_are_in_the_modes():
    shown, groups, weekdays, truth = market(1)
    demand = estimated(shown, groups, weekdays)
    kernel = np.ones(21) / 21
    slow = np.apply_along_axis(np.convolve, 0, error(demand, truth), kernel, "valid")
    told = np.apply_along_axis(np.convolve, 1, demand.modes_of(slice(None)), kernel, "valid")
    assert np.square(slow).mean() < 3 * np.square(told).sum(axis=0).mean()
    assert np.square(told).sum(axis=0).mean() < 6 * np.square(slow).mean()


def test_a_line_does_not_see_itself():
    shown, groups, weekdays, _ = market(2)
    log = shown.log.copy()
    log[60:120, 0] += 0.05
    one, other = (estimated(s, groups, weekdays) for s in (shown, replace(shown, log=log)))
    scale = np.abs(np.log(other.factor / one.factor))
    assert scale[:, 0].max() < 0.2 * scale[:, 1].max()  # only through how much demand there is


def test_a_day_that_is_left_out_does_not_count():
    shown, groups, weekdays, _ = market(3)
    variance, log = shown.variance.copy(), shown.log.copy()
    variance[50:55, 2] = np.inf
    log[50:55, 2] = 99.0
    wild = estimated(replace(shown, variance=variance, log=log), groups, weekdays)
    log[50:55, 2] = 0.0
    tame = estimated(replace(shown, variance=variance, log=log), groups, weekdays)
    np.testing.assert_allclose(wild.factor, tame.factor, rtol=1e-9)


def test_a_long_history_agrees_with_its_last_block():
    shown, groups, weekdays, truth = market(4, n_days=620)
    whole = estimated(shown, groups, weekdays)
    assert whole.factor.shape == truth.shape
    assert error(whole, truth).std() < 0.2
    last = slice(-270, None)
    part = estimated(
        Shown(
            log=shown.log[last],
            variance=shown.variance[last],
            movement=shown.movement[last],
            walk=shown.walk,
            shock=shown.shock,
        ),
        groups,
        weekdays[-271:],
    )
    np.testing.assert_allclose(whole.factor[last], part.factor, rtol=1e-9)
    np.testing.assert_allclose(whole.tomorrow, part.tomorrow, rtol=1e-9)


def test_one_line_alone_and_one_day_have_an_answer():
    for n_days in (1, 3, 40):
        shown, _, weekdays, _ = market(5, n_days=n_days, per_channel=1)
        alone = Shown(
            log=shown.log[:, :1],
            variance=shown.variance[:, :1],
            movement=shown.movement[:, :1],
            walk=shown.walk[:1],
            shock=shown.shock[:1],
        )
        demand = estimated(alone, np.zeros(1, dtype=np.int64), weekdays)
        np.testing.assert_allclose(demand.factor, 1.0)  # nobody else to learn from
        assert np.isfinite(demand.variance).all()


def test_demand_is_what_plain_conditioning_says():
    """Write all cells of all lines as one normal distribution and condition on the others."""
    shown, groups, weekdays, _ = market(6, n_days=40, per_channel=2)
    n, lines = 40, groups.size
    scales = learn_scales(shown.log, shown.variance, groups, weekdays[:-1])
    days = Days.of(weekdays, np.zeros(n))
    single = np.diag(np.append(scales.day, np.median(scales.day)))
    shared = days.shared + scales.shock * days.fading + single
    channel = days.channel + scales.channel * days.fading + 1e-8 * np.eye(n + 1)
    walk, shock = wandering(n)
    anchor = np.zeros(n)
    anchor[-31:-3] = 1 / 28

    def path(one: int, other: int) -> FloatArray:
        return shared + channel * (groups[one] == groups[other])

    def cell(one: int, other: int) -> FloatArray:
        out = path(one, other)[:n, :n].copy()
        if one == other:
            x = shown.movement[:, one] - anchor @ shown.movement[:, one]
            out += shown.walk[one] * walk + shown.shock[one] * shock + 1.0
            out += SLOPE_SD**2 * np.outer(x, x) + CURVE_SD**2 * np.outer(x * x, x * x)
            out += np.diag(shown.variance[:, one])
        return out

    line = 3
    others = [i for i in range(lines) if i != line]
    seen = np.block([[cell(a, b) for b in others] for a in others])
    to_seen = np.hstack([path(line, b)[:n, :n] for b in others])
    mean = to_seen @ np.linalg.solve(seen, np.concatenate([shown.log[:, b] for b in others]))
    demand = estimated(shown, groups, weekdays)
    np.testing.assert_allclose(np.log(demand.factor[:, line]), mean - anchor @ mean, atol=1e-5)
    covariance = path(line, line)[:n, :n] - to_seen @ np.linalg.solve(seen, to_seen.T)
    away = np.eye(n) - np.outer(np.ones(n), anchor)
    covariance = away @ covariance @ away.T
    told = demand.variance[:, line] + np.square(
        demand.modes_of(slice(line, line + 1))[:, :, 0]
    ).sum(axis=0)
    np.testing.assert_allclose(told, np.diag(covariance), rtol=1e-3, atol=2e-6)


def test_evidence_that_is_made_twice_is_the_same(monkeypatch):
    shown, groups, weekdays, _ = market(7, n_days=60)
    once = estimated(shown, groups, weekdays)
    monkeypatch.setattr(module, "KEPT_CHANNELS", 1)
    again = estimated(shown, groups, weekdays)
    np.testing.assert_array_equal(once.factor, again.factor)
    np.testing.assert_array_equal(once.modes, again.modes)


def test_of_many_channels_those_that_know_most_tell_what_all_share(monkeypatch):
    """What the others would add is small beside what a channel has of its own."""
    shown, groups, weekdays, truth = market(8, n_days=90, channels=60, per_channel=1)
    known = np.where(groups < 40, 1.0, 100.0)
    shown = replace(shown, variance=shown.variance * known)
    whole = estimated(shown, groups, weekdays)
    monkeypatch.setattr(module, "CHANNELS", 40)
    part = estimated(shown, groups, weekdays)
    assert not np.array_equal(whole.factor, part.factor)
    away = np.log(part.factor) - np.log(whole.factor)
    assert np.abs(away).max() < 0.2 * np.std(error(whole, truth))
