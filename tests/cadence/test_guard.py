from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.cadence.guard import Standing, room_to_move
from pipeline.cadence.harm import Hazards
from pipeline.core.cadence_rules import CadenceRules

DOSES = np.arange(5.0)
FLAT = np.array([[0, 0.3, 0.5, 0.6, 0.65]])
HARMFUL = np.array([[0, -0.1, -0.3, -0.6, -1.0]])


def standing(current: float = 2.0, **changes: Any) -> Standing:
    known: dict[str, Any] = {
        "current": np.array([current]),
        "least": np.zeros(1),
        "most": np.full(1, 4.0),
        "identified": np.ones(1, dtype=bool),
        "may_move": np.ones(1, dtype=bool),
        "fixed": np.zeros(1, dtype=bool),
    }
    return Standing(**{**known, **changes})


def hazards(growth: float, base: float = 0.004, draws: int = 200) -> Hazards:
    return Hazards(base=np.full((draws, 1), base), growth=np.full((draws, 1), growth))


def rules(**leaving: Any) -> CadenceRules:
    return CadenceRules.model_validate({"segment": ("stage",), "leaving": leaving})


def net(table: np.ndarray, draws: int = 200) -> np.ndarray:
    return np.repeat(table[None], draws, axis=0)


def test_a_safe_segment_may_be_raised_by_one_step_and_lowered_down_to_learning() -> None:
    room = room_to_move(standing(), net(FLAT), hazards(0.05), rules())
    assert (room.lower[0], room.upper[0]) == (0.1, 3.0)
    assert room.why == ("",)


def test_touches_that_lose_are_taken_away_to_zero_even_soon_after_a_change() -> None:
    room = room_to_move(
        standing(may_move=np.zeros(1, dtype=bool)), net(HARMFUL), hazards(0.4), rules()
    )
    assert (room.lower[0], room.upper[0]) == (0, 0)
    assert "loses more than it earns" in room.why[0]


def test_a_segment_that_is_not_safe_is_not_raised() -> None:
    room = room_to_move(standing(), net(FLAT), hazards(0.3), rules())
    assert room.upper[0] == 2
    assert "0% likely to be safe, 95% needed" in room.why[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"identified": np.zeros(1, dtype=bool)}, "never drawn by lot"),
        ({"may_move": np.zeros(1, dtype=bool)}, "people stay on it"),
        ({"fixed": np.ones(1, dtype=bool)}, "exactly so often"),
    ],
)
def test_what_is_unknown_young_or_fixed_stays(changes: dict[str, Any], why: str) -> None:
    room = room_to_move(standing(**changes), net(FLAT), hazards(0.01), rules())
    assert (room.lower[0], room.upper[0]) == (2, 2)
    assert why in room.why[0]


def test_a_limit_on_leaving_lowers_the_cadence_and_wins_over_a_least_number() -> None:
    room = room_to_move(
        standing(least=np.full(1, 2.0)),
        net(FLAT),
        hazards(0.2, base=0.01),
        rules(max_weekly=0.0125),
    )
    assert room.upper[0] == 1
    assert room.lower[0] <= 1
    none = room_to_move(standing(), net(FLAT), hazards(0.2, base=0.02), rules(max_weekly=0.0125))
    assert none.upper[0] == 0
