"""What a split brought is found without a model, and its intervals hold the truth."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.bandits.rotation.outcome import kept_promise, over_even, over_holdout
from pipeline.core.exposures import Exposures, HeldOut

RATES = np.array([0.03, 0.02, 0.01])
SHARES = np.array([0.9, 0.05, 0.05])
ALL = slice(0, None)


def seen_of(rng: np.random.Generator, days: int = 14, traffic: int = 20_000) -> Exposures:
    """Return days whose level moves, split by SHARES."""
    level = 1 + 0.3 * np.sin(np.arange(days))
    shown = np.round(traffic * SHARES * np.ones((days, 1, 1)))
    clicks = rng.binomial(shown.astype(int), level[:, None, None] * RATES).astype(float)
    return Exposures(
        days=tuple(date(2026, 1, 1) + timedelta(days=i) for i in range(days)),
        audiences=("a",),
        creatives=("x", "y", "z"),
        shown=shown,
        rewards=clicks,
        counted=clicks,
    )


def held_of(seen: Exposures, rng: np.random.Generator, traffic: int = 4_000) -> HeldOut:
    level = 1 + 0.3 * np.sin(np.arange(len(seen.days)))
    clicks = rng.binomial(traffic, level * RATES.mean()).astype(float)
    return HeldOut(shown=np.full((len(level), 1), float(traffic)), rewards=clicks[:, None])


def test_intervals_hold_the_true_gain_as_often_as_they_say() -> None:
    truth = float(SHARES @ RATES - RATES.mean())
    inside = np.zeros(2)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        seen = seen_of(rng)
        for place, gain in enumerate(
            (over_even(seen, ALL), over_holdout(seen, held_of(seen, rng), ALL))
        ):
            assert gain is not None
            inside[place] += gain.low <= truth <= gain.high
    # Days differ in level, so a gain differs by day; that only widens the interval.
    assert (inside / 300 >= 0.86).all()


def test_too_few_days_say_nothing() -> None:
    seen = seen_of(np.random.default_rng(1), days=4)
    assert over_even(seen, ALL) is None
    assert over_holdout(seen, held_of(seen, np.random.default_rng(2)), ALL) is None


@pytest.mark.parametrize(("factor", "is_kept"), [(1.0, True), (1.6, False)])
def test_a_promise_is_kept_or_not(factor: float, is_kept: bool) -> None:
    seen = seen_of(np.random.default_rng(3), days=10)
    rate = np.array([float(SHARES @ RATES) * factor])
    kept = kept_promise(seen, ALL, rate, 0.05)
    assert kept is not None
    assert kept.is_kept is is_kept
    assert kept_promise(seen, ALL, np.array([np.nan]), 0.05) is None
