"""What plans were worth against leaving budgets alone, and how far that can be told at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.types import FloatArray

DOUBT = 0.25
"""How far curves may be off as a whole, a share of what they say (one standard deviation): what all
lines err in together, such as demand that money followed, is not in their own intervals. Read off
worlds with known truth, seeds 0 to 2 of four kinds; `benchmarks.learning_scores` judges it on
others."""
Z90 = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What plans' moves, as far as made, earned over all days since the first plan.

    Attributes:
        first_day, days: compared; the last of them is the newest whose outcome is half reported.
        gain, low, high: outcome in all; 90 % interval.
        money: relative change of the money by these moves.
    """

    first_day: date
    days: int
    gain: float
    low: float
    high: float
    money: float

    @property
    def is_told(self) -> bool:
        """Whether it can be told from nothing; else only a holdout can say."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """One plan's day.

    Attributes:
        gain: outcome that plans' moves, as far as made, earned on it.
        missed: what the plan's money would have earned beyond what was spent; negative where
            departing from it paid.
    """

    plan_id: str
    day: date
    is_published: bool
    gain: float
    missed: float


def gain_of(draws: FloatArray, *, first_day: date, days: int, money: float) -> Gain:
    """Return the gain with an interval that knows of both doubts: each curve's, and all curves'.

    Args:
        draws: (n_draws,), the gain in all under each draw of the curves.
    """
    gain = float(draws.mean())
    reach = Z90 * float(np.hypot(draws.std(), DOUBT * gain))
    return Gain(
        first_day=first_day,
        days=days,
        gain=gain,
        low=gain - reach,
        high=gain + reach,
        money=money,
    )
