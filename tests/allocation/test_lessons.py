"""What knowledge is worth: half the squared error over the curvature, as far as one may follow."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.allocation.lessons import known_of
from tests.allocation.test_explore import BUDGETS, prices, table


def worth(ramp_share: float) -> np.ndarray:
    return known_of(BUDGETS, table(0.3), prices(ramp_share=ramp_share)).worth


def test_where_all_may_move_knowledge_is_worth_half_the_squared_error_over_the_curvature() -> None:
    known = known_of(BUDGETS, table(0.1), prices(ramp_share=100.0, noise=np.ones(BUDGETS.size)))
    elasticity = known.signal  # nothing is organic, and noise is 1
    value = 3 * BUDGETS
    expected = known.doubt * elasticity * value / (2 * (1 - elasticity))
    np.testing.assert_allclose(known.worth, expected, rtol=0.01)


def test_knowledge_is_worth_no_more_than_the_daily_limit_lets_one_follow() -> None:
    """A small step earns the error times the step; a limit that holds nothing back is none."""
    np.testing.assert_allclose(worth(0.002), 2 * worth(0.001), rtol=0.02)
    assert (worth(0.001) < worth(0.1)).all()
    assert (worth(0.1) < 0.9 * worth(100.0)).all()
    assert worth(100.0) == pytest.approx(worth(200.0))
