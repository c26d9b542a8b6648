"""Shares of offers keep their floors, add up, and are signed as whole units."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bandits.offers.log import Contexts
from pipeline.bandits.offers.outcome import holdout_lift
from pipeline.bandits.offers.policy import best_shares, floors_of, raised_to
from pipeline.bandits.offers.units import whole_units_of

sizes = st.integers(min_value=1, max_value=8)
seeds = st.integers(min_value=0, max_value=10_000)
floor = st.floats(min_value=0.001, max_value=0.07)


def contexts_of(n_actions: int, rng: np.random.Generator) -> Contexts:
    eligible = rng.random((3, n_actions)) < 0.6
    eligible[:, 0] = True
    return Contexts(
        segments=("a", "b"),
        actions=tuple(f"action {i}" for i in range(n_actions)),
        segment=np.array([0, 0, 1]),
        eligible=eligible,
    )


@given(n=sizes, seed=seeds, least=floor)
def test_raised_shares_keep_every_floor_and_stay_where_they_keep_it(n, seed, least):
    rng = np.random.default_rng(seed)
    contexts = contexts_of(n, rng)
    floors = floors_of(contexts, least, most=0.6)
    shares = rng.dirichlet(np.full(n, 0.3), size=3) * contexts.eligible
    raised = raised_to(floors, shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300))
    np.testing.assert_allclose(raised.sum(axis=1), 1)
    assert (raised >= floors - 1e-12).all()
    assert (raised[~contexts.eligible] == 0).all()
    np.testing.assert_allclose(raised_to(floors, raised), raised)


@given(n=sizes, seed=seeds, least=floor)
def test_whole_units_add_up_and_never_go_below_a_floor(n, seed, least):
    rng = np.random.default_rng(seed)
    contexts = contexts_of(n, rng)
    floors = floors_of(contexts, least, most=0.6)
    draws = rng.standard_normal((50, 2, n))
    known = rng.random((2, n)) < 0.7
    shares = best_shares(contexts, floors, draws, known)
    units = whole_units_of(shares, floors, 10_000)
    assert (units.sum(axis=1) == 10_000).all()
    assert (units >= floors * 10_000 - 1e-6).all()
    assert (units[~contexts.eligible] == 0).all()
    assert np.abs(units / 10_000 - shares).max() < n * 1e-4


def test_an_action_that_was_never_logged_gets_its_floor_however_good_it_may_be():
    contexts = Contexts(
        segments=("a",),
        actions=("none", "old", "new"),
        segment=np.array([0]),
        eligible=np.ones((1, 3), dtype=bool),
    )
    floors = floors_of(contexts, 0.05)
    draws = np.tile([0.0, 1.0, 9.0], (10, 1, 1))
    shares = best_shares(contexts, floors, draws, np.array([[True, True, False]]))
    np.testing.assert_allclose(shares, [[0.05, 0.9, 0.05]])


def test_the_holdout_shows_what_deciding_earns():
    rng = np.random.default_rng(1)
    bucket = np.tile(np.arange(200), 2)
    held = np.repeat([False, True], 200)
    decisions = np.where(held, 50.0, 500.0)
    reward = rng.binomial(decisions.astype(int), np.where(held, 0.05, 0.07)).astype(float)
    found = holdout_lift(
        {"decisions": decisions, "reward": reward, "bucket": bucket, "is_holdout": held}
    )
    assert found is not None
    assert found.low < 0.02 < found.high
    assert found.low > 0
    few = {"decisions": decisions / 100, "reward": reward, "bucket": bucket, "is_holdout": held}
    assert holdout_lift(few) is not None  # 100 held out is just enough
    few["decisions"] = decisions / 1000
    assert holdout_lift(few) is None
