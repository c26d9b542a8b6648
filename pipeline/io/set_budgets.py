"""Money that is set held against money that is spent: the day's budget, and each line's."""

from __future__ import annotations

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict, named_lines

RECENT_DAYS = 7
BUDGET_FACTOR = 3.0
"""How far a platform's budget may be from what the line spends. Beyond, it is in another unit, or a
month's, or has not been delivered for weeks; none of these is what is set for a day."""
SAME_BUDGET = 0.25  # relative: a plan's step of one night


def check_spend_level(facts: Facts, policy: Policy, verdict: Verdict) -> None:
    """Compare a week's spend with the budget: cents and micros are a hundred times off."""
    daily = policy.budget.daily
    if daily is None:
        daily = (policy.budget.monthly or 0.0) / 30.4
    recent = float(facts.spend[-RECENT_DAYS:].sum(axis=1).mean())
    if daily <= 0 or recent <= 0:
        return
    ratio = max(recent / daily, daily / recent)
    if ratio > 3:
        level = Level.FAIL if ratio > 20 else Level.REVIEW
        verdict.add(
            level,
            "spend-against-budget",
            f"spend: {recent:.2f} a day in the last {RECENT_DAYS} days, the budget is "
            f"{daily:.2f} a day",
            "check the unit of spend (whole currency, not cents or micros) and the budget",
            source="spend",
            column="spend",
        )


def odd_budgets(facts: Facts) -> BoolArray:
    """Return the lines whose newest budget cannot be what is set for a day, (n_lines,).

    Plans move budgets far within two weeks, so one that is spent is believed whatever was spent
    before it.
    """
    odd = np.zeros(len(facts.lines), dtype=bool)
    recent = slice(-2 * RECENT_DAYS, None)
    for line, (spent, set_to) in enumerate(
        zip(facts.spend[recent].T, facts.budget[recent].T, strict=True)
    ):
        budget, paid = set_to[-1], spent > 0
        if budget == 0 and spent[-1] > 0:
            # Off, and it spent; a column that is always 0 tells nothing.
            odd[line] = bool((facts.budget[:, line] > 0).any())
            continue
        if not (paid.any() and np.isfinite(budget) and budget > 0):
            continue
        under = paid & (np.abs(set_to - budget) <= SAME_BUDGET * budget)
        usual = [float(np.median(spent[days])) for days in (paid, under) if days.any()]
        odd[line] = all(max(budget / much, much / budget) > BUDGET_FACTOR for much in usual)
    return odd


def check_budgets(facts: Facts, verdict: Verdict) -> None:
    """Say which of the newest budgets are not believed, and what stands in."""
    odd = odd_budgets(facts)
    if odd.any():
        line = int(np.flatnonzero(odd)[0])
        verdict.add(
            Level.REVIEW,
            "budget-against-spend",
            f"spend: the budget of {named_lines(facts, odd)} is not what is spent, for example "
            f"{facts.budget[-1, line]:.2f} set and {facts.spend[-1, line]:.2f} spent on "
            f"{facts.days[-1]}; the plan last published, or without one the week's mean spend, "
            "is taken as what is set",
            "check the unit of the budget column, and that it is a day's",
            source="spend",
            column="budget",
            line=facts.lines[line],
        )
