"""The newest day held against what money buys: its price, its total, and each line's own steps."""

from __future__ import annotations

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import FloatArray, line_label
from pipeline.io.facts import Facts
from pipeline.io.jumps import MATERIAL, RECENT_DAYS, SHORT_DAYS, neighbour_median, typical_total
from pipeline.io.levels import typical_levels
from pipeline.io.verdict import Verdict, named_lines

COST_STEP = 1.8  # times the usual price of a click
COST_BEYOND = 1.5  # times the dearest, or the cheapest, of four weeks
COST_NOISE = (
    6.0  # times the spread of the prices of four weeks, which are lumpy where clicks are few
)
DAY_JUMP = 1.8  # times the week's highest: a night raises a line by a quarter, a sale by a half
LINE_STEP, LINE_BEYOND = 1.6, 1.15  # times the week's extreme; times the line's own largest step
MOST = 0.5  # of what a price is off
EXPLAINED = 1.3  # the price of a click on a day whose money is real stays within this factor


def check_unit_cost(facts: Facts, verdict: Verdict) -> None:
    """Compare what a click, an impression and a sale cost or bring with the four weeks before.

    Spend may triple on a busy day, but its price per click does not: the surest sign of another
    unit or another column.
    """
    ratios = [
        ("spend", "a click cost", facts.days[-1], facts.spend, facts.clicks),
        ("spend", "an impression cost", facts.days[-1], facts.spend, facts.impressions),
    ]
    if {"revenue", "conversions"} <= facts.outcomes.keys():
        seen = facts.reported()
        earned, sold = np.nan_to_num(seen.outcomes["revenue"]), seen.outcomes["conversions"]
        ratios.append(("outcomes", "a conversion brought", seen.days[-1], earned, sold))
    for source, words, day, money, counted in ratios:
        found = _odd_price(_unit_costs(money, counted))
        if found is None:
            continue
        newest, usual = found
        line = _moved_by(money[-1], counted[-1], usual)
        whose = "" if line is None else f", above all on {line_label(facts.lines[line])}"
        verdict.add(
            Level.FAIL,
            "unit-cost",
            f"{source}: {words} {newest:.4g} on {day}, usually {usual:.4g}{whose}",
            "check the unit of money, and whether what is counted is complete",
            source=source,
            column="spend" if source == "spend" else "revenue",
            value=f"{newest:.4g}",
            line=None if line is None else facts.lines[line],
        )


def _moved_by(money: FloatArray, counted: FloatArray, usual: float) -> int | None:
    """Return the line that alone moves a day's price by more than half, None where several do.

    Args:
        money, counted: (n_lines,), of the day.
        usual: price of one.
    """
    excess = np.where(np.isfinite(counted), money - usual * np.nan_to_num(counted), 0.0)
    total, line = float(excess.sum()), int(np.argmax(np.abs(excess)))
    return line if excess.size > 1 and excess[line] / total > MOST else None


def _odd_price(prices: FloatArray) -> tuple[float, float] | None:
    """Return the newest price and the usual one, where the newest is out of all proportion."""
    recent = prices[-1 - SHORT_DAYS : -1]
    recent = recent[np.isfinite(recent)]
    newest = float(prices[-1])
    if recent.size < RECENT_DAYS or not np.isfinite(newest) or newest <= 0:
        return None
    usual = float(np.median(recent))
    logs = np.log(recent / usual)
    spread = 1.4826 * float(np.median(np.abs(logs)))
    beyond = max(newest / float(recent.max()), float(recent.min()) / newest)
    limit = max(np.log(COST_STEP), COST_NOISE * spread)
    is_odd = abs(np.log(newest / usual)) > limit and beyond > COST_BEYOND
    return (newest, usual) if is_odd else None


def check_day_jump(facts: Facts, verdict: Verdict, ordinary: Facts | None = None) -> None:
    """Find a newest day whose money, all lines together, is out of all proportion.

    Where most of it was clicked at the usual price, the money is real: then it is only said. Money
    by the week comes in flights, so a total says little there and only lines are judged.

    Args:
        ordinary: the facts without what named days may bring.
    """
    if len(facts.days) <= SHORT_DAYS or facts.period_days > 1:
        return
    held = ordinary or facts
    level = typical_levels(held.spend)
    highest = float(level[-1 - RECENT_DAYS : -1].max())
    most = float(held.spend[-1 - SHORT_DAYS : -1].sum(axis=1).max())
    newest, told = float(held.spend[-1].sum()), float(facts.spend[-1].sum())
    if highest <= 0 or float(level[-1]) < DAY_JUMP * highest or newest < 1.25 * most:
        return
    by_name = " and by its name" if abs(told - newest) > 0.005 else ""
    verdict.add(
        Level.REVIEW if _is_clicked(held) else Level.FAIL,
        "day-jump",
        f"spend: {told:.2f} on {facts.days[-1]}, {level[-1] / highest:.1f} times the most of "
        f"the week before by its place in the week{by_name}",
        "check the unit of spend and whether rows are there twice",
        source="spend",
        column="spend",
    )


def _is_clicked(facts: Facts) -> bool:
    """Return whether the newest day's money was clicked or shown at about the usual price."""
    for counted in (facts.clicks, facts.impressions):
        known = np.isfinite(counted[-1]) & (counted[-1] > 0)
        if facts.spend[-1][known].sum() < 0.8 * facts.spend[-1].sum():
            continue
        prices = _unit_costs(facts.spend, counted)
        recent = prices[-1 - SHORT_DAYS : -1]
        recent = recent[np.isfinite(recent)]
        if recent.size >= RECENT_DAYS:
            step = float(prices[-1]) / float(np.median(recent))
            return 1 / EXPLAINED < step < EXPLAINED
    return False


def check_line_steps(facts: Facts, verdict: Verdict, ordinary: Facts | None = None) -> None:
    """Find lines whose newest spend is far beyond the week and beyond any step they ever took.

    One line's step may be real, so it is no reason to refuse the night: the line is held.

    Args:
        ordinary: the facts without what named days may bring, and without steps that were set.
    """
    spend = (ordinary or facts).spend
    if len(facts.days) <= SHORT_DAYS:
        return
    first = max(RECENT_DAYS, len(spend) - 2 * SHORT_DAYS)
    steps = np.stack([_beyond_week(spend, day) for day in range(first, len(spend))])
    largest = np.nanmax(np.where(np.isfinite(steps[:-1]), steps[:-1], 0.0), axis=0)
    newest = steps[-1]
    usual = neighbour_median(spend)
    material = np.maximum(spend[-1], usual[-1]) > MATERIAL * typical_total(spend)[-1]
    odd = np.isfinite(newest) & (newest > np.log(LINE_STEP)) & material
    odd &= newest > largest + np.log(LINE_BEYOND)
    if not odd.any():
        return
    last = len(facts.days) - 1
    verdict.distrust(facts, [(last, int(line)) for line in np.flatnonzero(odd)], "line-step", usual)
    verdict.add(
        Level.REVIEW,
        "line-step",
        f"spend: {named_lines(facts, odd.astype(bool))} took a step on {facts.days[-1]} that no "
        "day before explains; the budget is held",
        "check the unit and the rows of the line",
        source="spend",
        column="spend",
    )


def _beyond_week(spend: FloatArray, day: int) -> FloatArray:
    """Return how far each line is above the week's highest or below its lowest, in logs.

    NaN where it paused or fewer than four days of the week are known.
    """
    week = np.where(spend[day - RECENT_DAYS : day] > 0, spend[day - RECENT_DAYS : day], np.nan)
    known = np.isfinite(week).sum(axis=0) >= 4
    high = np.where(known, np.nan_to_num(week, nan=0.0).max(axis=0), np.nan)
    low = np.where(known, np.nan_to_num(week, nan=np.inf).min(axis=0), np.nan)
    now = np.where(spend[day] > 0, spend[day], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.fmax(np.log(now / high), np.log(low / now)))


def _unit_costs(spend: FloatArray, counted: FloatArray) -> FloatArray:
    """Return the portfolio's price per unit on each day, NaN where too few were counted."""
    known = np.isfinite(counted) & (counted > 0)
    units = np.where(known, counted, 0.0).sum(axis=1)
    money = np.where(known, spend, 0.0).sum(axis=1)
    typical = np.median(units)
    return np.where((units > 0.1 * typical) & (money > 0), money / np.maximum(units, 1e-12), np.nan)
