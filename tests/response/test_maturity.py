from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.history import Vintages
from pipeline.response.maturity import MAX_AGE, learn_maturity


def snapshots(curve: np.ndarray, nights: int, total: float = 500.0) -> Vintages:
    rows = [
        (float(night), float(night - age), total * curve[age - 1])
        for night in range(100, 100 + nights)
        for age in range(1, curve.size + 1)
    ]
    seen_on, day, outcome = map(np.array, zip(*rows, strict=True))
    return Vintages(seen_on=seen_on, day=day, group=("search",) * len(rows), outcome=outcome)


def test_a_slow_platform_is_recognised_after_a_few_nights():
    ages = np.arange(1, 46)
    curve = 1 - 0.8 * np.exp(-ages / 10)
    curve /= curve[-1]
    learned = learn_maturity(snapshots(curve, 8), 90, ("search",)).curve
    np.testing.assert_allclose(learned[[0, 6, 20]], curve[[0, 6, 20]], atol=0.03)


def test_without_snapshots_the_last_days_are_incomplete_and_old_ones_are_not():
    known = learn_maturity(None, 90, ("search",))
    assert 0.6 < known.share[-1, 0] < 0.8
    assert known.share[0, 0] > 0.99
    assert (np.diff(known.curve) >= 0).all()
    assert known.snapshots == 0


def test_one_quiet_night_does_not_overthrow_experience():
    curve = np.full(45, 1.0)
    learned = learn_maturity(snapshots(curve, 2, total=1.0), 90, ("search",)).curve
    assert learned[0] < 0.8


def test_nights_over_one_file_teach_nothing_and_nights_that_are_always_as_late_do():
    seen = snapshots(np.full(45, 1.0), 10)
    late = learn_maturity(
        replace(seen, late_days=seen.seen_on.max() - seen.seen_on), 90, ("search",)
    )
    unknown = learn_maturity(None, 90, ("search",))
    np.testing.assert_array_equal(late.share, unknown.share)
    assert late.snapshots == 0
    always = replace(seen, late_days=np.full(seen.day.size, 2.0))
    known = learn_maturity(always, 90, ("search",))
    assert known.share[-1, 0] > 0.85
    assert known.snapshots == 10


def test_each_channel_is_late_in_its_own_way():
    fast, slow = np.full(45, 1.0), np.linspace(0.3, 1.0, 45)
    one, two = snapshots(fast, 10, 5000.0), snapshots(slow, 10, 5000.0)
    both = Vintages(
        seen_on=np.concatenate([one.seen_on, two.seen_on]),
        day=np.concatenate([one.day, two.day]),
        group=("search",) * one.day.size + ("tv",) * two.day.size,
        outcome=np.concatenate([one.outcome, two.outcome]),
    )
    share = learn_maturity(both, 90, ("search", "tv")).share
    assert share[-1, 0] > 0.85
    assert share[-1, 1] < 0.45
    assert share.shape == (90, 2)
    assert MAX_AGE >= 45


def test_totals_that_are_corrected_up_and_down_every_night_are_not_late():
    rng = np.random.default_rng(5)
    seen = snapshots(np.full(45, 1.0), 12, 5000.0)
    corrected = replace(seen, outcome=seen.outcome * (1 + 0.01 * rng.standard_normal(540)))
    learned = learn_maturity(corrected, 90, ("search",)).curve
    exact = learn_maturity(seen, 90, ("search",)).curve
    np.testing.assert_allclose(learned, exact, atol=0.02)
    assert (learned <= 1).all()


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_night_that_counts_all_days_in_another_way_says_nothing_of_lateness(factor):
    curve = np.linspace(0.6, 1.0, 45)
    seen = snapshots(curve, 12, 5000.0)
    moved = replace(seen, outcome=np.where(seen.seen_on >= 106, factor, 1.0) * seen.outcome)
    learned = learn_maturity(moved, 90, ("search",)).curve
    np.testing.assert_allclose(learned, learn_maturity(seen, 90, ("search",)).curve, atol=0.02)


def test_a_platform_that_nobody_watched_may_be_whole_or_far_from_it_until_nights_tell():
    """As far as the curve is still the usual one, it may be off as far as platforms are."""
    unknown = learn_maturity(None, 90, ("search",))
    newest = unknown.share[-1, 0] * np.exp(1.645 * unknown.log_sd[-1] * np.array([-1, 1]))
    assert newest[0] < 0.4
    assert newest[1] > 1.0
    assert unknown.log_sd[0] < 0.02
    few, many = (
        learn_maturity(snapshots(np.full(45, 1.0), nights), 90, ("search",)).log_sd[-1]
        for nights in (2, 20)
    )
    assert many < 0.1 * unknown.log_sd[-1]
    assert many < few < unknown.log_sd[-1]
