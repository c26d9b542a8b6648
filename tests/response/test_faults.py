"""Days without money: what would have come anyway, or nothing at all because ads are credited."""

from __future__ import annotations

import numpy as np

from pipeline.core.types import BoolArray, FloatArray
from pipeline.response.faults import screen

DAYS, THIN = 120, 0.4  # outcomes a day of a line that is hardly heard


def usable(spend: FloatArray, outcome: FloatArray) -> BoolArray:
    shape = (spend.size, 1)
    table = screen(
        spend.reshape(shape), outcome.reshape(shape), None,
        np.ones(shape, dtype=bool), np.ones(shape),
    )  # fmt: skip
    return table.usable[:, 0]


def spend_with_pause(first: int, last: int) -> FloatArray:
    spend = np.full(DAYS, 100.0)
    spend[first:last] = 0.0
    return spend


def test_a_pause_with_outcomes_is_kept_whole_so_that_its_lucky_days_do_not_stay_alone():
    kept, share = [], []
    for seed in range(40):
        outcome = np.random.default_rng(seed).poisson(THIN, DAYS).astype(float)
        use = usable(spend_with_pause(40, 80), outcome)[40:80]
        kept.append(use.mean())
        share.append(outcome[40:80][use].mean())
    assert np.mean(kept) > 0.95
    assert abs(np.mean(share) / THIN - 1) < 0.1  # leaving empty days out made it more than double


def test_a_pause_without_any_outcome_says_nothing_of_what_would_have_come_anyway():
    outcome = np.full(DAYS, 20.0)
    outcome[40:80] = 0.0
    assert not usable(spend_with_pause(40, 80), outcome)[40:80].any()


def test_what_was_carried_over_is_kept_and_the_silence_after_it_is_not():
    outcome = np.full(DAYS, 20.0)
    outcome[40:80] = 0.0
    outcome[40:44] = (9.0, 4.0, 0.0, 1.0)
    use = usable(spend_with_pause(40, 80), outcome)[40:80]
    np.testing.assert_array_equal(np.flatnonzero(use), [0, 1, 2, 3])


def test_days_before_a_line_began_are_no_days_of_a_pause():
    rng = np.random.default_rng(0)
    outcome = rng.poisson(4.0, DAYS).astype(float)
    outcome[:30] = 0.0
    spend = spend_with_pause(0, 30)
    spend[60:90] = 0.0  # a pause in which outcomes go on, so this line is credited without ads
    use = usable(spend, outcome)
    assert not use[:30].any()
    assert use[60:90].all()


def test_a_short_gap_in_spend_is_an_ordinary_day():
    outcome = np.full(DAYS, 20.0)
    outcome[50:52] = 0.0
    spend = spend_with_pause(50, 52)
    assert usable(spend, outcome)[50:52].all()


def test_spend_of_days_without_outcomes_is_believed_however_far_a_plan_took_it():
    spend = np.full((DAYS, 2), 100.0)
    spend[-1] = (20.0, 100.0)
    late, one = np.ones(spend.shape, dtype=bool), np.ones(spend.shape, dtype=bool)
    late[-1], one[-1, 0] = False, False
    seen = [screen(spend, 0.1 * spend, None, known, np.ones(spend.shape)) for known in (late, one)]
    assert [item.spend[-1, 0] for item in seen] == [20.0, 100.0]
    assert [item.slipped.tolist() for item in seen] == [[0, 0], [1, 0]]
