from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cadence.lottery import lottery
from pipeline.core.cadence_rules import Lottery


@given(
    cadence=st.floats(0, 6),
    highest=st.integers(1, 7),
    side=st.floats(0, 0.3),
    holdout=st.floats(0, 0.3),
)
def test_everybody_is_drawn_once_and_nobody_for_more_than_was_signed(
    cadence: float, highest: int, side: float, holdout: float
) -> None:
    shares = lottery(cadence, highest, Lottery(side=side, holdout=holdout))
    assert shares.min() >= -1e-12
    assert shares.sum() == pytest.approx(1)
    assert shares @ np.arange(highest + 1) <= min(cadence, highest) + 1e-9
    assert shares[0] >= holdout - 1e-9 or cadence == 0


def test_a_whole_cadence_keeps_its_mean_with_one_touch_more_one_less_and_a_holdout() -> None:
    shares = lottery(2.0, 4, Lottery(side=0.15, holdout=0.05))
    assert shares @ np.arange(5) == pytest.approx(2)
    assert (shares[:4] > 0.04).all()
    assert shares[2] > 0.5


def test_nobody_is_written_to_at_a_cadence_of_zero() -> None:
    assert lottery(0.0, 3, Lottery()).tolist() == [1, 0, 0, 0]
