"""Newton's step towards a price: exact where demand is straight, and the same for one and many."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allocation.newton import next_price, next_prices
from tests.effort import effort

positive = st.floats(1e-6, 1e6)


def _level(price: float, power: float) -> float:
    return -math.log(price) if power == 0 else -math.copysign(price**power, power)


@effort(100)
@given(price=positive, best=positive, power=st.sampled_from([-1.0, -0.5, 0.0, 1.0]), gain=positive)
def test_one_step_is_enough_where_demand_is_straight(price, best, power, gain):
    """Demand is `gain * level(price) + base`, so the step from any price meets the target."""
    base = 1.0 - gain * min(_level(price, power), _level(best, power))  # keep totals above 0
    total, target = (gain * _level(p, power) + base for p in (price, best))
    slope = -gain * (1.0 if power == 0 else abs(power) * price**power)
    step = next_price(price, total, slope, target, power)
    assert math.log(step / best) == pytest.approx(0, abs=1e-6 * (1 + base / gain))


@effort(100)
@given(
    rows=st.lists(
        st.tuples(positive, positive, st.floats(-1e6, 1), positive), min_size=1, max_size=9
    ),
    power=st.sampled_from([None, -1.0, -0.5, 0.0, 1.0]),
)
def test_many_steps_are_each_what_one_would_be(rows, power):
    price, total, slope, target = (np.array(column) for column in zip(*rows, strict=True))
    many = next_prices(price, total, slope, target, power)
    each = [next_price(*row, power) for row in rows]
    assert many == pytest.approx(each, rel=1e-9, nan_ok=True)


def test_demand_that_does_not_move_with_its_price_has_no_step():
    assert math.isnan(next_price(1.0, 2.0, 0.0, 3.0, -0.5))
    assert math.isnan(next_price(1.0, 2.0, 0.0, 3.0, None))


def test_a_level_that_cannot_be_reached_is_stepped_towards_in_logs():
    """Taking 5 from lines that respond by 1 would need a level below nothing."""
    step = next_price(1.0, 6.0, -1.0, 1.0, -1.0)
    assert 1.0 < step < math.inf
