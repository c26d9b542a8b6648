"""A month's money: spent in full, along demand, without chasing noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.allocation.pacing import pace_day
from pipeline.core.errors import ConfigError


@settings(deadline=None, derandomize=True)
@given(
    demand=st.lists(st.floats(0, 10), min_size=1, max_size=31),
    total=st.floats(0, 1e6),
    noise=st.integers(0, 99),
)
def test_a_month_is_never_overspent_and_ends_with_what_is_left(demand, total, noise):
    rng, spent = np.random.default_rng(noise), 0.0
    weights = np.array(demand)
    for day in range(weights.size):
        pace = pace_day(total, spent, weights, day)
        assert 0 <= pace.today <= total - spent + 1e-6
        last = day == weights.size - 1
        spent += pace.today * (1.0 if last else rng.uniform(0.5, 1.0))
    assert spent == pytest.approx(total)


def test_on_plan_the_money_follows_demand():
    demand = np.array([1.0, 2.0, 1.0])
    assert pace_day(400, 0, demand, 0).today == pytest.approx(100)
    assert pace_day(400, 100, demand, 1).today == pytest.approx(200)


def test_a_small_deviation_is_left_alone_and_a_large_one_is_half_corrected():
    demand = np.ones(20)
    assert pace_day(2000, 560, demand, 5).today == pytest.approx(100)
    assert pace_day(2000, 600, demand, 5).today == pytest.approx((1500 - 50) / 15)
    assert pace_day(2000, 400, demand, 5).today == pytest.approx((1500 + 50) / 15)


def test_in_the_last_days_all_of_a_deviation_is_corrected():
    assert pace_day(2000, 1600, np.ones(20), 15).today == pytest.approx(400 / 5)


@pytest.mark.parametrize("delivered", [0.9, 0.96, 1.04, 1.1])
def test_no_rush_at_the_end_where_platforms_always_miss_by_the_same_share(delivered):
    demand, spent = np.ones(30), 0.0
    for day in range(demand.size):
        last = pace_day(3000, spent, demand, day).today
        assert 0.6 * 100 <= last <= 1.6 * 100
        spent += last * delivered
    assert spent == pytest.approx(3000, rel=0.02)


def test_a_month_that_is_spent_gets_nothing_more():
    assert pace_day(1000, 1200, np.ones(10), 5).today == 0


@pytest.mark.parametrize(("total", "spent", "day"), [(-1, 0, 0), (1, -1, 0), (1, 0, 3)])
def test_amounts_and_days_that_make_no_sense_are_refused(total, spent, day):
    with pytest.raises(ConfigError, match="pacing"):
        pace_day(total, spent, np.ones(3), day)
