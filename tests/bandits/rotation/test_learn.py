"""What is learned of creatives: known truth found, and what must not fool it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.bandits.rotation.learn import Learned, learn
from pipeline.core.errors import PipelineError
from pipeline.core.exposures import Exposures
from tests.reference import rate_by_grid


def table(shown: np.ndarray, clicks: np.ndarray) -> Exposures:
    days, audiences, creatives = shown.shape
    return Exposures(
        days=tuple(date(2026, 1, 1) + timedelta(days=day) for day in range(days)),
        audiences=tuple(f"a{index}" for index in range(audiences)),
        creatives=tuple(f"c{index}" for index in range(creatives)),
        shown=shown,
        rewards=clicks,
        counted=clicks,
    )


def expected_clicks(rate: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return np.round(shown * rate, 6)


def found(shown: np.ndarray, clicks: np.ndarray, **settings: float) -> Learned:
    return learn(
        table(shown, clicks), half_life_days=23.0, delay_days=int(settings.get("delay", 0))
    )


def test_the_order_of_creatives_is_found_and_the_truth_lies_in_the_interval():
    inside, right = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rate = 0.015 * np.exp(rng.normal(0, 0.26, 4))
        shown = np.full((14, 1, 4), 1500.0)
        seen = found(shown, rng.binomial(1500, rate, size=(14, 1, 4)).astype(float))
        inside += int((np.abs(seen.log_rate[0] - np.log(rate)) < 1.645 * seen.sd[0]).sum())
        right += int(seen.log_rate[0].argmax() == rate.argmax())
    assert 0.8 <= inside / 160 <= 0.98
    assert right >= 32


def test_one_cell_agrees_with_integration_over_a_grid():
    shown = np.zeros((1, 1, 2))
    shown[0, 0] = [4_000.0, 400.0]
    clicks = np.zeros((1, 1, 2))
    clicks[0, 0] = [60.0, 0.0]
    seen = found(shown, clicks)
    level = np.log(np.exp(seen.level[0]) / (1 - np.exp(seen.level[0])))
    wear = seen.wear * np.log2(1 + shown[0, 0] / 2 / 1000)
    tomorrow = seen.wear * np.log2(1 + (shown[0, 0] + shown[0, 0] / 14) / 1000)
    for c in range(2):
        mean, sd = rate_by_grid(
            shown[0, 0, c] * np.exp(wear[c]), clicks[0, 0, c], level=level, spread=seen.spread
        )
        assert seen.log_rate[0, c] - tomorrow[c] == pytest.approx(mean, abs=0.12)
        assert seen.sd[0, c] == pytest.approx(sd, rel=0.2)


def test_a_creative_without_exposure_is_as_creatives_usually_are_and_less_sure():
    shown = np.full((10, 1, 3), 2_000.0)
    shown[:, :, 2] = 0
    seen = found(shown, shown * 0.02)
    assert seen.log_rate[0, 2] == pytest.approx(seen.level[0], abs=0.02)
    assert seen.sd[0, 2] > 3 * seen.sd[0, 0]


def test_audiences_lend_each_other_what_a_creative_is_worth():
    rate = np.array([[0.02, 0.012], [0.02, 0.012]])
    alone = np.full((20, 2, 2), 3_000.0)
    alone[:, 1] = 5.0
    seen = found(alone, expected_clicks(rate, alone))
    assert seen.log_rate[1, 0] - seen.log_rate[1, 1] > 0.25
    assert seen.sd[1, 0] > seen.sd[0, 0]


def test_missing_late_rewards_do_not_make_a_newcomer_look_bad():
    shown = np.full((20, 1, 3), 5_000.0)
    shown[:15, :, 2] = 0  # the third one ran only on days whose rewards are still coming in
    complete = np.ones(20)
    complete[-5:] = [0.8, 0.7, 0.6, 0.4, 0.2]
    seen = found(shown, shown * 0.02 * complete[:, None, None], delay=5)
    assert seen.log_rate[0, 2] >= seen.log_rate[0, 0] - 0.05


def test_wear_is_found_where_creatives_wear():
    shown = np.full((40, 3, 4), 4_000.0)
    for late, start in ((1, 10), (2, 20), (3, 30)):
        shown[:start, :, late] = 0
    worn = np.log2(1 + (np.cumsum(shown, axis=0) - shown / 2) / 1000)
    seen = found(shown, shown * 0.02 * np.exp(-0.1 * worn))
    assert seen.wear == pytest.approx(-0.1, abs=0.03)
    rested = found(shown, shown * 0.02)
    assert rested.wear == pytest.approx(0.0, abs=0.03)


def test_worth_counts_where_rewards_are_worth():
    shown = np.full((20, 1, 2), 5_000.0)
    events = shown * 0.01
    worth = events * np.array([10.0, 30.0])
    data = table(shown, events)
    seen = learn(
        Exposures(
            days=data.days,
            audiences=data.audiences,
            creatives=data.creatives,
            shown=shown,
            rewards=worth,
            counted=events,
        ),
        half_life_days=23.0,
    )
    assert seen.log_rate[0, 1] - seen.log_rate[0, 0] == pytest.approx(np.log(3), abs=0.15)


def test_nothing_shown_at_all_is_no_crash():
    seen = found(np.zeros((3, 1, 2)), np.zeros((3, 1, 2)))
    assert np.isfinite(seen.log_rate).all()


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(PipelineError, match="not negative"):
        table(np.full((1, 1, 1), -1.0), np.zeros((1, 1, 1)))
