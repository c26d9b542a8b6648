"""How the month's money runs: what is spent, what was planned by now, where the month ends."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.policy import Policy
from pipeline.io.facts import Facts
from pipeline.runs.standing import month_days, spent_in_month, usual_weights

if TYPE_CHECKING:
    from pipeline.io.reports import Pacing

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def month_so_far(facts: Facts, policy: Policy, day: date, tonight: float) -> Pacing | None:
    """Return the month's standing before `day`; None where the data do not hold its first day.

    A monthly budget is planned over its days by what weekdays usually spend, a daily one is the
    same every day. The forecast spends tonight's plan, in that proportion, on every day left.

    Args:
        tonight: the plan's total, account currency.
    """
    from pipeline.io.reports import Pacing

    days, spent = month_days(day), spent_in_month(facts, day)
    passed = day.day - 1
    if spent.size != passed or passed == 0:
        return None
    if policy.budget.monthly is not None:
        weights = usual_weights(facts, days)
        planned = policy.budget.monthly * np.cumsum(weights) / weights.sum()
    else:
        weights = np.ones(len(days))
        planned = (policy.budget.daily or 0.0) * np.arange(1, len(days) + 1)
    left = tonight * np.cumsum(weights[passed:]) / weights[passed]
    so_far = np.cumsum(spent)
    return Pacing(
        label=f"{_MONTHS[day.month - 1]} {day.year}",
        budget=float(planned[-1]),
        spent=float(so_far[-1]),
        planned_by_now=float(planned[passed - 1]),
        forecast=float(so_far[-1] + left[-1]),
        planned=tuple(planned.tolist()),
        course=tuple(np.concatenate([so_far, so_far[-1] + left]).tolist()),
        passed=passed,
    )
