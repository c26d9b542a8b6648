"""What a plan is expected to earn over today's budgets, and how much of that is its split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.core.money import minor_digits
from pipeline.core.plan import Interval, Uplift
from pipeline.core.types import FloatArray
from pipeline.runs.decide import Decision, Facts
from pipeline.runs.step import status_quo

OTHER_TOTAL = 0.01
"""Share by which the day's money must differ from today's before a gain is parted, and it is one
of the plan's reasons."""


def uplift_of(gain: FloatArray) -> Uplift:
    """Return mean, interval and chance of a gain, from its draws."""
    return Uplift(
        **interval(gain).model_dump(),
        probability_positive=number(float((gain > 0).mean() + 0.5 * (gain == 0).mean())),
    )


def split_of(facts: Facts, decision: Decision, budgets: FloatArray) -> Uplift | None:
    """Return what the split earns over today's proportions with the same money.

    None where the money is today's, and all of the gain is the split's; and where tonight's limits
    allow nothing near today's proportions.

    Args:
        budgets: (n_lines,), of the plan.
    """
    if not _differs(facts, budgets):
        return None
    same_money = replace(decision.problem, budget=float(budgets.sum()), exactly=True)
    even = status_quo(same_money, facts.current)
    if even is None:
        return None
    # Within a minor unit they are the same, and rounding earns nothing.
    if np.abs(budgets - even).max() < 10.0 ** -minor_digits(facts.policy.currency):
        even = budgets
    return uplift_of(decision.table.total(budgets) - decision.table.total(even))


def other_total(facts: Facts, budgets: FloatArray) -> list[str]:
    """Return that the day's money is not today's, which the gain then also shows."""
    if not _differs(facts, budgets):
        return []
    more = float(budgets.sum()) - float(facts.current.sum())
    side = "above" if more > 0 else "below"
    words = f"{abs(more):,.{minor_digits(facts.policy.currency)}f}"
    return [
        f"the day's money is {words} {side} the budgets of today; "
        "the gain shown is against leaving those alone"
    ]


def left_unspent(facts: Facts, decision: Decision, budgets: FloatArray) -> list[str]:
    """Return that some of the day's money is left, where the settings allow that."""
    left, digits = decision.total - float(budgets.sum()), minor_digits(facts.policy.currency)
    if decision.problem.exactly or left < 10.0**-digits:
        return []
    return [
        f"{left:,.{digits}f} of the budget {decision.total:,.{digits}f} is left: "
        "spending it is not likely enough to pay"
    ]


def _differs(facts: Facts, budgets: FloatArray) -> bool:
    now = float(facts.current.sum())
    return abs(float(budgets.sum()) - now) > OTHER_TOTAL * max(now, 1.0)


def interval(draws: FloatArray) -> Interval:
    """Return mean and 90 % interval of draws, (n_draws,)."""
    return intervals(draws[:, None])[0]


def intervals(draws: FloatArray) -> list[Interval]:
    """Return mean and 90 % interval of every column, (n_draws, n_columns)."""
    rows = np.ascontiguousarray(draws.T)
    low, high = np.quantile(rows, (0.05, 0.95), axis=1)
    return [
        Interval(mean=number(mean), p05=number(p05), p95=number(p95))
        for mean, p05, p95 in zip(rows.mean(axis=1), low, high, strict=True)
    ]


def number(value: Any) -> float:
    """Return a number with the nine digits that any machine agrees on."""
    short = float(f"{float(value):.9g}")
    return short if abs(short) > 1e-200 else 0.0  # what is left of a subtraction is nothing
