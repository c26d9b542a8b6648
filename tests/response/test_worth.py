"""What a counted outcome brings, and what it brings by now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.history import Vintages
from pipeline.response import FitSettings, fit_response
from pipeline.response.worth import price_now, worth_per_count
from tests.response.advertiser import advertiser

REVENUE = FitSettings(metric="revenue", count="conversions")


def sales(rate, heavy, seed=0, *, n_days=120):
    """Return counts and money of five lines, orders of 50 with lognormal values."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate, (n_days, 5)).astype(float)
    orders = [rng.lognormal(-(heavy**2) / 2, heavy, int(n)).sum() for n in count.ravel()]
    return count, 50.0 * np.reshape(orders, count.shape)


def now(count, money):
    usable, lines = np.ones(count.shape, dtype=bool), np.zeros(count.shape[1], dtype=int)
    worth, _ = worth_per_count(count, money, usable, lines)
    return float(worth.mean()) * price_now(count, money, usable, worth)


def test_prices_that_doubled_three_weeks_ago_are_what_an_outcome_brings():
    count, money = sales(20.0, 0.9)
    before = now(count, money)
    money[-20:] *= 2
    assert now(count, money) / before == pytest.approx(2.0, rel=0.2)


def test_a_new_price_of_one_large_line_is_not_that_of_all():
    count, money = sales(np.array([100.0, 10.0, 10.0, 10.0, 10.0]), 0.9)
    money[-20:, 0] *= 2
    worth, _ = worth_per_count(count, money, count >= 0, np.zeros(5, dtype=int))
    assert price_now(count, money, count >= 0, worth) == 1.0


@pytest.mark.parametrize(("rate", "heavy"), [(20.0, 0.9), (3.0, 1.8), (0.5, 1.2)])
def test_what_chance_does_is_no_new_price(rate, heavy):
    for seed in range(20):
        count, money = sales(rate, heavy, seed)
        money[-5, 2] += 50 * rate * 30  # one large order
        worth, _ = worth_per_count(count, money, count >= 0, np.zeros(5, dtype=int))
        assert price_now(count, money, count >= 0, worth) == 1.0


@pytest.mark.parametrize(("rate", "heavy", "seed"), [(10.0, 2.5, 31), (3.0, 2.5, 15)])
def test_weeks_without_one_of_few_huge_orders_are_no_lower_price(rate, heavy, seed):
    count, money = sales(rate, heavy, seed)
    assert now(count, money) == pytest.approx(money.sum() / count.sum(), rel=0.1)


def test_fewer_orders_of_late_are_no_lower_price():
    count, money = sales(np.exp(np.linspace(1, -3, 120))[:, None] * 5.0, 1.5, 42)
    assert now(count, money) == pytest.approx(money.sum() / count.sum(), rel=0.1)


def test_a_step_of_all_prices_moves_what_money_earns_and_not_what_it_causes():
    history = advertiser(3).history
    dearer = history.outcomes["revenue"].copy()
    dearer[-40:] *= 2.0
    changed = replace(history, outcomes={**history.outcomes, "revenue": dearer})
    before, after = (fit_response(item, REVENUE) for item in (history, changed))
    assert after.worth / before.worth == pytest.approx(2.0, rel=0.1)
    assert after.level_mean == pytest.approx(before.level_mean, rel=1e-3)


def test_money_that_comes_in_days_after_its_counts_is_no_lower_price():
    """Snapshots tell how late counts are: not at all here."""
    history = advertiser(3).history
    last = history.days[-1].toordinal() + 1
    groups = sorted({line[0] for line in history.lines})
    rows = [
        (float(night), float(night - age), name, 500.0)
        for night in range(last - 12, last + 1)
        for age in range(1, 46)
        for name in groups
    ]
    seen_on, day, group, outcome = zip(*rows, strict=True)
    at_once = Vintages(
        seen_on=np.array(seen_on), day=np.array(day), group=group, outcome=np.array(outcome)
    )
    late = history.outcomes["revenue"].copy()
    late[-7:] *= np.array([0.95, 0.9, 0.85, 0.75, 0.65, 0.5, 0.3])[:, None]
    young = replace(history, outcomes={**history.outcomes, "revenue": late})
    whole, known = (fit_response(item, REVENUE, vintages=at_once) for item in (history, young))
    np.testing.assert_allclose(known.worth, whole.worth, rtol=0.05)


def test_lines_learned_from_their_money_are_not_raised_twice():
    history = advertiser(3).history
    count, money = (history.outcomes[name].copy() for name in ("conversions", "revenue"))
    money[-40:] *= 2.0
    count[:, 0] = 0.0
    bare = replace(history, outcomes={"conversions": count, "revenue": money})
    worth = fit_response(bare, REVENUE).worth
    sold = money[:, 1:].sum() / count[:, 1:].sum()
    assert worth[0] == pytest.approx(sold, rel=0.05)
