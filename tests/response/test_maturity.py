from __future__ import annotations

from dataclasses import replace

import numpy as np

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
