"""Shares inside their limits, nearest to what was wanted, whole to the last unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bandits.rotation.shares import project_shares, room, wanted_shares, whole_shares

sizes = st.integers(2, 8)


def positive(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.dirichlet(np.full(n, 0.5)) + 1e-9


@settings(max_examples=80, deadline=None)
@given(n=sizes, seed=st.integers(0, 10_000), step=st.floats(0.01, 1), ceiling=st.floats(0.2, 1))
def test_limits_always_leave_a_split_that_adds_up(n, seed, step, ceiling):
    rng = np.random.default_rng(seed)
    current = positive(rng, n)
    current = current / current.sum()
    floor = np.full(n, 0.05 / n)
    low, high, widened = room(current, floor, ceiling=ceiling, step=np.full(n, step))
    assert (low <= high + 1e-12).all()
    assert low.sum() <= 1 + 1e-9
    assert high.sum() >= 1 - 1e-9
    shares = project_shares(np.clip(positive(rng, n), low, high), low, high)
    assert shares.sum() == pytest.approx(1)
    assert ((shares >= low - 1e-9) & (shares <= high + 1e-9)).all()
    most = max(ceiling, 1 / n)
    assert shares.max() <= most + 1e-9
    if not widened:
        assert (np.abs(shares - current) <= step + 1e-9)[current <= most].all()
    whole = whole_shares(shares, high, 10_000)
    assert round(whole.sum() * 10_000) == 10_000
    assert np.abs(whole - shares).max() <= 8.5e-4


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 5), seed=st.integers(0, 10_000))
def test_no_other_split_is_nearer_to_what_was_wanted(n, seed):
    rng = np.random.default_rng(seed)
    wanted, low, high = positive(rng, n), np.zeros(n), np.full(n, 0.8)
    found = project_shares(wanted, low, high)
    for _ in range(200):
        other = rng.dirichlet(np.ones(n))
        if (other <= high).all():
            assert ((found - wanted) ** 2).sum() <= ((other - wanted) ** 2).sum() + 1e-9


@pytest.mark.parametrize("n", range(1, 60))
@pytest.mark.parametrize("even", [True, False])
def test_a_ceiling_below_an_even_share_is_an_even_split(n, even):
    """n times 1/n is less than 1 in floats for 6, 7, 13 and others."""
    current = np.full(n, 1 / n) if even else np.eye(n)[0]
    low, high, widened = room(current, np.zeros(n), ceiling=0.5 / n, step=np.full(n, 0.1))
    shares = project_shares(current, low, high)
    assert shares == pytest.approx(np.full(n, 1 / n))
    assert widened == (not even and n > 1 and 1 / n > 0.1)
    assert round(whole_shares(shares, high, 10_000).sum() * 10_000) == 10_000


def test_a_sharper_power_gives_more_to_the_best_and_keeps_an_even_slice():
    best = np.array([0.6, 0.3, 0.1])
    plain = wanted_shares(best, sharpness=1, uniform=0.0)
    sharp = wanted_shares(best, sharpness=4, uniform=0.06)
    assert plain == pytest.approx(best)
    assert sharp[0] > plain[0]
    assert sharp.min() >= 0.02
    assert sharp.sum() == pytest.approx(1)
