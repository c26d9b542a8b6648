"""Switchback tests where the effect is known, looked at once and three times."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.experiments.sequential import alpha_of_look
from pipeline.experiments.switchback import (
    Schedule,
    _p_value,
    design_switchback,
    draw_schedule,
    least_pairs,
    read_switchback,
)

FIRST = date(2026, 1, 1)
PAST, BLOCK, WASHOUT = 120, 4, 1


def market(seed: int, days: int = PAST + 80) -> Panel:
    """Return one switched unit and the rest, with a trend, a week and serial noise."""
    rng = np.random.default_rng(seed)
    noise, shock = np.zeros((days, 2)), rng.normal(0, 0.08, (days, 2))
    for day in range(1, days):
        noise[day] = 0.6 * noise[day - 1] + shock[day]
    shared = np.cumsum(rng.normal(0, 0.03, days)) + 0.2 * np.sin(2 * np.pi * np.arange(days) / 7)
    return Panel(
        days=tuple(FIRST + timedelta(days=day) for day in range(days)),
        units=("a", "rest"),
        outcome=np.exp(np.array([5.0, 7.0]) + shared[:, None] + noise),
        spend=np.full((days, 2), 10.0),
    )


def switched(panel: Panel, schedule: Schedule, lift: float, carry: float = 0.0) -> Panel:
    """Return the panel with the effect on treated days, of which some carries to the next day."""
    outcome, spend, effect = panel.outcome.copy(), panel.spend.copy(), 0.0
    for day in range(schedule.days):
        on = schedule.is_treated(day)
        effect = lift * on if carry == 0 else carry * effect + (1 - carry) * lift * on
        outcome[PAST + day, 0] *= 1 + effect
        spend[PAST + day, 0] += 10.0 * on
    return replace(panel, outcome=outcome, spend=spend)


def read(panel: Panel, schedule: Schedule, alpha: float = 0.1):
    return read_switchback(panel, ["a"], panel.days[PAST], schedule, alpha=alpha)


def test_size_power_and_cover_are_as_promised_over_one_look_and_three():
    worlds, alarms, looked, found, covered = 120, 0, 0, 0, 0
    for seed in range(worlds):
        rng = np.random.default_rng([seed, 1])
        panel = market(seed)
        design = None
        if seed < 20:  # the design is the slow part; its promise is checked on these
            past = panel.until(panel.days[PAST])
            design = design_switchback(past, ["a"], 80, BLOCK, WASHOUT, rng)
        schedule = draw_schedule(80, BLOCK, WASHOUT, rng)
        alarms += read(panel, schedule).is_significant
        looked += any(
            read(panel.until(panel.days[PAST + until]), schedule, share).is_significant
            for until, share in ((40, 0), (64, 0), (79, 0))
            for share in [alpha_of_look({40: [], 64: [0.5], 79: [0.5, 0.8]}[until],
                                        {40: 0.5, 64: 0.8, 79: 1.0}[until], 0.1)]
        )  # fmt: skip
        if design is not None:
            seen = read(switched(panel, schedule, design.least_effect), schedule)
            found += seen.is_significant
            covered += seen.lift_low <= design.least_effect <= seen.lift_high
    # binomial bounds that a test as promised misses once in a thousand
    assert alarms <= 23
    assert looked <= 23
    assert found >= 10
    assert covered >= 13


def test_an_effect_that_carries_over_is_found_once_the_washout_is_left_out():
    schedule = draw_schedule(80, BLOCK, 2, np.random.default_rng(3))
    panels = [switched(market(seed), schedule, 0.3, carry=0.5) for seed in range(20)]
    kept = np.mean([read(panel, schedule).lift for panel in panels])
    bare = replace(schedule, washout_days=0)
    raw = np.mean([read(panel, bare).lift for panel in panels])
    assert raw < kept < 0.3
    assert kept == pytest.approx(0.26, abs=0.04)


def test_one_odd_block_hardly_moves_the_estimate():
    schedule = draw_schedule(80, BLOCK, WASHOUT, np.random.default_rng(3))
    panel = switched(market(1), schedule, 0.2)
    broken = panel.outcome.copy()
    broken[PAST + 8 : PAST + 12, 0] *= 20
    odd = read(replace(panel, outcome=broken), schedule)
    assert odd.lift == pytest.approx(read(panel, schedule).lift, abs=0.05)


def test_money_and_outcome_are_those_of_the_treated_days():
    schedule = draw_schedule(80, BLOCK, WASHOUT, np.random.default_rng(5))
    seen = read(switched(market(2), schedule, 0.5), schedule)
    assert seen.spend_change == pytest.approx(10.0 * 40)
    assert seen.low < seen.incremental < seen.high
    assert seen.iroas == pytest.approx(seen.incremental / 400)


def test_too_few_pairs_can_never_be_significant_and_are_refused():
    assert least_pairs(0.1) == 5
    past = market(1).until(FIRST + timedelta(days=PAST))
    with pytest.raises(UsageError, match=r"4 pairs can never be significant at 0\.1, need 5"):
        design_switchback(past, ["a"], 32, 4, 1, np.random.default_rng(1))
    with pytest.raises(UsageError, match="hold no pair"):
        draw_schedule(5, 4, 1, np.random.default_rng(1))
    with pytest.raises(UsageError, match="4 days of washout in blocks of 4"):
        draw_schedule(80, 4, 4, np.random.default_rng(1))
    short = market(1, days=PAST + 5)
    with pytest.raises(UsageError, match="wait"):
        read(short, draw_schedule(80, 4, 1, np.random.default_rng(1)))


def test_every_pair_has_one_treated_block_in_an_order_by_chance():
    drawn = [draw_schedule(40, 4, 1, np.random.default_rng(seed)).treated for seed in range(200)]
    firsts = np.mean([item[0] for item in drawn])
    assert 0.35 < firsts < 0.65
    assert all(sum(item) == len(item) // 2 for item in drawn)


@pytest.mark.parametrize("outcome", [0.0, 7.3, 1e6])
def test_a_market_in_which_nothing_ever_differs_shows_no_effect(outcome):
    schedule = draw_schedule(56, BLOCK, WASHOUT, np.random.default_rng(1))
    panel = market(1, days=PAST + 56)
    flat = replace(panel, outcome=np.full_like(panel.outcome, outcome))
    seen = read(flat, schedule)
    assert seen.p_value == 1.0
    assert not seen.is_significant
    assert seen.lift == pytest.approx(0.0, abs=1e-9)
    assert seen.lift_low <= 1e-9
    assert seen.lift_high >= -1e-9


@pytest.mark.parametrize(
    ("found", "chance"),
    [
        ([1, 2, 3, 4, 5, 6, 7], 2 / 128),
        ([0, 0, 3, 4, 5, 6, 7], 2 / 32),
        ([0, 0, 0, 0, 0, 0, 2], 1.0),
        ([2, -2, 2, -2], 1.0),
        ([-2, 2, 2, 2, 2, 2], 14 / 64),  # ties share a rank, so any one sign may differ
    ],
)
def test_signs_are_counted_exactly_without_pairs_that_do_not_differ(found, chance):
    assert _p_value(np.array(found, dtype=float)) == pytest.approx(chance)


def test_what_stops_on_treated_days_is_read_out_as_lost():
    schedule = draw_schedule(80, BLOCK, WASHOUT, np.random.default_rng(3))
    panel = market(2)
    on = [PAST + day for day in range(80) if schedule.is_treated(day)]
    lost = panel.outcome[on, 0].sum()
    seen = read(switched(panel, schedule, -1.0), schedule)
    assert seen.is_significant
    assert seen.incremental == pytest.approx(-lost, rel=0.15)
    assert seen.low < seen.incremental < seen.high < 0
    assert seen.standard_error > 0
