"""The lottery of doses: who gets how many touches a week.

Touches that people were chosen for say nothing about touches: who buys more is written to more.
Only a dose that was drawn by lot, and kept for weeks, does. So every cadence is carried out as a
lottery around it.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.cadence_rules import Lottery
from pipeline.core.types import FloatArray


def lottery(cadence: float, highest: int, rules: Lottery) -> FloatArray:
    """Return the share of people per dose 0, 1, ..., (highest + 1,), whose mean is the cadence.

    A cadence between two whole numbers is a mixture of both, which is a lottery already. Around
    a whole number, `side` of the people get one touch less and as many one more where that is
    allowed. `holdout` get none, made up for by others above where there is room; where there is
    none the mean is a little lower than the cadence, never above it.
    """
    shares = np.zeros(highest + 1)
    cadence = min(max(cadence, 0.0), float(highest))
    if cadence == 0:
        shares[0] = 1.0
        return shares
    low = int(np.floor(cadence))
    part = cadence - low
    if part > 0:
        shares[low], shares[low + 1] = 1 - part, part
    else:
        side = rules.side if low < highest else 0.0
        shares[low] = 1 - 2 * side
        if side:
            shares[low - 1] += side
            shares[low + 1] += side
    return _with_holdout(shares, cadence, rules.holdout)


def _with_holdout(shares: FloatArray, cadence: float, holdout: float) -> FloatArray:
    """Return shares with `holdout` people at 0, and the mean kept where others have room."""
    if shares[0] >= holdout:
        return shares
    silent, above = np.zeros(shares.size), np.zeros(shares.size)
    silent[0] = 1.0
    top = min(int(np.ceil(cadence)) + 1, shares.size - 1)
    above[top] = 1.0
    if top > cadence:
        lifted = holdout * cadence / (top - cadence)  # whoever is silent is made up for above
        kept = 1 - holdout - lifted
        if kept >= 0.5:
            return np.asarray(kept * shares + holdout * silent + lifted * above)
    return np.asarray((1 - holdout) * shares + holdout * silent)
