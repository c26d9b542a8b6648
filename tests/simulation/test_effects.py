from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.types import FloatArray
from pipeline.simulation.effects import DecisionValue, decision_value


def week(slope: float, precision: float = 1e6) -> FloatArray:
    predicted = np.array([-0.2, 0.05, 0.15])
    return np.stack([predicted, slope * predicted, np.full(3, precision)])


def value_of(*weeks: FloatArray) -> DecisionValue:
    value = decision_value(weeks)
    assert value is not None
    return value


def test_one_week_has_a_slope_and_no_error() -> None:
    value = value_of(week(2.26), np.empty((3, 0)))
    assert value.slope == pytest.approx(2.26)
    assert (value.weeks, value.slope_error, value.slope_low, value.slope_high) == (
        1, None, None, None,
    )  # fmt: skip
    assert "one week cannot tell" in value.meaning()


def test_the_error_of_few_weeks_covers_the_truth() -> None:
    """Weeks share a disturbance, so the interval has to hold however few of them there are."""
    rng = np.random.default_rng(3)
    for n_weeks in (2, 3, 5):
        held = 0
        for _ in range(400):
            value = value_of(*(week(1.0 + 0.5 * rng.standard_normal()) for _ in range(n_weeks)))
            assert value.slope_low is not None
            assert value.slope_high is not None
            held += value.slope_low <= 1.0 <= value.slope_high
        assert held / 400 == pytest.approx(0.9, abs=0.04)


def test_weeks_that_happen_to_agree_do_not_undo_the_noise_of_their_lines() -> None:
    value = value_of(*(week(1.3, precision=100.0) for _ in range(4)))
    information = 4 * 100.0 * float((week(1.0)[0] ** 2).sum())
    assert value.slope_error == pytest.approx(information**-0.5)
    assert "outcomes follow" in value.meaning()


def test_spend_that_hardly_changed_says_nothing() -> None:
    assert decision_value([np.empty((3, 0))]) is None


@pytest.mark.parametrize(
    ("slopes", "said"),
    [
        ((1.6, 1.7, 1.65), "more came"),
        ((0.4, 0.5, 0.45), "less came"),
        ((0.9, 1.1, 1.0), "outcomes follow the curves"),
        ((-0.1, 0.1, 0.05), "do not rely"),
        ((-1.0, 2.5, 0.5), "cannot tell good curves"),
    ],
)
def test_what_a_slope_means_is_said(slopes: tuple[float, ...], said: str) -> None:
    assert said in value_of(*map(week, slopes)).meaning()
