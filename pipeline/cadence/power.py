"""How many person-weeks an honest answer takes, said before anybody waits for it."""

from __future__ import annotations

import math

POWER_FACTOR = 16.0
"""2 * (1.96 + 0.84)^2, rounded up: 5 % two-sided, 80 % power, two equal arms."""


def weeks_per_arm(weekly_rate: float, ratio: float) -> float:
    """Return the person-weeks per arm that would show a change of a weekly rate by `ratio`.

    Args:
        weekly_rate: share of people who leave in a week, 0-1.
        ratio: of the two rates, such as 1.1 for a tenth more.

    Source: Lehr (1992), "Sixteen S-squared over D-squared".
    """
    change = abs(weekly_rate * (ratio - 1.0))
    if change == 0:
        return math.inf
    return POWER_FACTOR * weekly_rate * (1 - weekly_rate) / change**2
