"""What plans are worth against held-out units, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import UsageError
from pipeline.experiments.standing import draw_holdout, value_of_plans

DAYS, UNITS, START = 160, 24, 110


def market(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return outcome and spend of units that share a season and wander on their own."""
    rng = np.random.default_rng(seed)
    season = 1 + 0.3 * np.sin(np.arange(DAYS) / 9)[:, None]
    wander = np.exp(np.cumsum(rng.normal(0, 0.01, (DAYS, UNITS)), axis=0))
    size = np.exp(rng.normal(4, 0.6, UNITS))
    outcome = size * season * wander * rng.lognormal(0, 0.2, (DAYS, UNITS))
    return outcome, np.broadcast_to(size, outcome.shape)


@pytest.mark.parametrize("lift", [0.0, 0.05])
def test_intervals_hold_the_truth_as_often_as_they_say(lift: float):
    worlds, covered, alarms, off = 25, 0, 0, []
    for seed in range(worlds):
        outcome, spend = market(seed)
        rng = np.random.default_rng([seed, 7])
        held = draw_holdout(spend[0], 0.2, rng)
        outcome[START:, np.setdiff1d(np.arange(UNITS), held)] *= 1 + lift
        found = value_of_plans(outcome, spend, held, START, rng)
        assert found is not None
        covered += found.low <= lift <= found.high
        alarms += not found.low <= 0 <= found.high
        off.append(found.lift - lift)
    # binomial bounds that a 90 % interval misses once in a thousand
    assert covered >= 17
    assert abs(np.mean(off)) < 0.02
    if lift == 0:
        assert alarms <= 8


def test_gain_is_money_a_day_over_what_the_old_plan_would_have_brought():
    outcome, spend = market(3)
    held = np.array([2, 9, 17])
    outcome[START:, np.setdiff1d(np.arange(UNITS), held)] *= 1.5
    found = value_of_plans(outcome, spend, held, START, np.random.default_rng(1))
    pool = np.delete(outcome, held, axis=1)[START:].sum(axis=1).mean()
    assert found.gain == pytest.approx(pool * (1 - 1 / (1 + found.lift)))
    assert found.gain_low < found.gain < found.gain_high
    assert found.gain_low > 0
    assert found.money == pytest.approx(0)


def test_a_young_holdout_says_nothing_and_a_short_past_gives_no_interval():
    outcome, spend = market(4)
    held, rng = np.array([1, 5]), np.random.default_rng(1)
    assert value_of_plans(outcome[: START + 5], spend[: START + 5], held, START, rng) is None
    short = value_of_plans(outcome[-60:], spend[-60:], held, 15, rng)
    assert short is not None
    assert (short.low, short.gain_high) == (None, None)


def test_the_draw_is_by_chance_from_every_size_and_can_be_drawn_again():
    size = np.arange(1.0, 21.0)
    drawn = [draw_holdout(size, 0.2, np.random.default_rng(seed)) for seed in range(200)]
    assert all(len(item) == 4 for item in drawn)
    often = np.bincount(np.concatenate(drawn), minlength=20) / 200
    assert often.min() > 0.1
    assert often.max() < 0.35
    assert np.array_equal(drawn[0], draw_holdout(size, 0.2, np.random.default_rng(0)))
    with pytest.raises(UsageError, match="2 units, need at least 4"):
        draw_holdout(size[:2], 0.5, np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.0, -0.1, 0.51, 1.0, float("nan")])
def test_a_share_that_holds_out_nobody_or_most_is_refused(share: float):
    with pytest.raises(UsageError, match=r"need above 0 and at most 0\.5"):
        draw_holdout(np.arange(1.0, 9.0), share, np.random.default_rng(0))
