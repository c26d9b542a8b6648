"""Since when a line rests, where that is not its habit."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from pipeline.core.types import FloatArray

PATTERN_DAYS = 28  # in which a line that rests on weekends has shown it


def days_stopped(spend: FloatArray) -> int:
    """Return on how many newest days a line has not spent, 0 where so many are usual for it."""
    if spend[-1] > 0:
        return 0
    runs = _runs(spend > 0)
    if len(runs) < 2:
        return 0
    days = runs[-1][1]
    return days if days > _usual_rest(spend[:-days]) else 0


def days_since_pause(spend: FloatArray) -> int:
    """Return on how many newest days a line has spent since an unusual pause, 0 without one."""
    runs = _runs(spend > 0)
    if len(runs) < 3 or not runs[-1][0]:
        return 0  # not heard of before, or silent now
    days, pause = runs[-1][1], runs[-2][1]
    return days if pause > _usual_rest(spend[: -days - pause]) else 0


def _usual_rest(before: FloatArray) -> int:
    """Return the longest rest of a line in the four weeks that end with these days.

    Days before its first spend are no rest: it was not there.
    """
    before = before[int(np.argmax(before > 0)) :]
    lately = _runs(before[-PATTERN_DAYS:] > 0)
    return max((days for is_on, days in lately if not is_on), default=0)


def _runs(spends: np.ndarray) -> list[tuple[bool, int]]:
    return [(bool(is_on), len(list(run))) for is_on, run in groupby(spends.tolist())]
