"""Money that is set held against money that is spent: the day's budget, and each line's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray
from pipeline.io.facts import Facts
from pipeline.io.jumps import neighbour_median
from pipeline.io.verdict import Verdict, named_lines

RECENT_DAYS = 7
BUDGET_FACTOR = 3.0
"""How far a platform's budget may be from what the line spends. Beyond, it is in another unit, or a
month's, or has not been delivered for weeks; none of these is what is set for a day."""
SAME_BUDGET = 0.25  # relative: a plan's step of one night
MONTH_DAYS = 28
NEW_BUDGET = 1.3  # times the week's highest or below its lowest: more than a plan's step
SHARE_ROOM = 1.3  # times the shares of the budget that a line usually spends
USUAL_SHARES = (0.1, 0.9)  # quantiles
PRICE_ROOM = 2.0  # a click may cost more where a line gets several times the money
FEW_COUNTS = 2.0  # standard errors of a count
TOLD = 6.0  # a step that nothing counted confirms is believed up to here: a slip is ten


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


def without_set_steps(facts: Facts) -> Facts:
    """Return the facts as if no budget had been set anew on the newest day.

    The newest money of a line that spends what its budget newly says is put at the week's, and
    what was clicked and shown with it; everything else is as it is.
    """
    told = _newly_set(facts)
    if not told.any():
        return facts
    usual = neighbour_median(facts.spend)[-1]
    factor = np.where(told, usual / np.where(told, facts.spend[-1], 1.0), 1.0)

    def steady(table: FloatArray) -> FloatArray:
        table = table.copy()
        table[-1] *= factor
        return table

    return replace(
        facts,
        spend=steady(facts.spend),
        clicks=steady(facts.clicks),
        impressions=steady(facts.impressions),
    )


def _newly_set(facts: Facts) -> BoolArray:
    """Return the lines whose newest money is what their newest budget newly says, (n_lines,).

    A line may always spend a part of its budget, or more than it, and after a raise it may need
    days to spend it all. A row in another unit is that in budget and spend alike, so a click, or
    where none is counted an impression, has to cost about what it did; where neither is, a step of
    many times the week's money is not believed.
    """
    if len(facts.days) <= RECENT_DAYS:
        return np.zeros(len(facts.lines), dtype=bool)
    week, month = slice(-1 - RECENT_DAYS, -1), slice(-1 - MONTH_DAYS, -1)
    now, budget = facts.spend[-1], facts.budget[-1]
    usual = neighbour_median(facts.spend)[-1]
    high, low = _quantiles(facts.budget[week], (1.0, 0.0))
    least, most = _quantiles(_ratio(facts.spend[month], facts.budget[month]), USUAL_SHARES)
    share = _ratio(now, budget)
    with np.errstate(invalid="ignore"):
        raised = (budget > NEW_BUDGET * high) & (now > usual) & (share < SHARE_ROOM * most)
        cut = (budget * NEW_BUDGET < low) & (now < usual) & (share * SHARE_ROOM > least)
    return np.asarray((raised | cut) & (now > 0) & _is_priced(facts))


def _is_priced(facts: Facts) -> BoolArray:
    """Return the lines whose newest money cost what it usually does, as far as that is known."""
    month = slice(-1 - MONTH_DAYS, -1)
    usual_money = neighbour_median(facts.spend)[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        priced = np.abs(np.log(facts.spend[-1] / usual_money)) < np.log(TOLD)
    for counted in (facts.impressions, facts.clicks):  # clicks, where both are there
        (usual,) = _quantiles(_ratio(facts.spend[month], counted[month]), (0.5,))
        price = _ratio(facts.spend[-1], counted[-1])
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.log(PRICE_ROOM) + FEW_COUNTS / np.sqrt(counted[-1])
            step = np.abs(np.log(price / usual))
        priced = np.where(np.isfinite(step), step < room, priced)
    return np.asarray(priced)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return the ratio where both are above zero, NaN elsewhere."""
    known = (above > 0) & (below > 0)
    return np.where(known, above / np.where(known, below, 1.0), np.nan)


def _quantiles(table: FloatArray, shares: tuple[float, ...]) -> list[FloatArray]:
    """Return quantiles of each line's known days, NaN for a line that has none."""
    out = np.full((len(shares), table.shape[1]), np.nan)
    known = np.isfinite(table).any(axis=0)
    if known.any():
        out[:, known] = np.nanquantile(table[:, known], shares, axis=0)
    return list(out)
