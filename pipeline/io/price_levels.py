"""What a conversion brings, before and after the day on which it changed for good.

The newest day is held against four weeks (`proportions`), so a slip is named as it sets in. Where a
source restates a fortnight at once, or the portfolio is new, no newest day ever stood out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import FloatArray
from pipeline.io.facts import Facts
from pipeline.io.jumps import SHORT_DAYS
from pipeline.io.verdict import Verdict

STEP = 1.8  # times the level before; a sale or a new price list moves it less
ALIKE = 1.25  # lines that step together step by the same factor, within this
STEADY = 1.3  # conversions for the money that go along by more are a promotion's
SURE = 6.0  # times the spread of days
BEFORE, AFTER = 14, 3  # days that each side needs
MOST = 0.8  # of what lines sold that has to step alike
SOLD = 20.0  # conversions of a line on each side, to speak of its price


class Step(NamedTuple):
    """Where a level stepped: the first day after it, and the factor."""

    day: int
    factor: float


def check_price_level(facts: Facts, verdict: Verdict) -> None:
    """Find another unit of revenue that set in within four weeks and stayed.

    Revenue per conversion steps on all lines alike while conversions for the money do not go along:
    prices seldom do that, and a change of unit, of tax or of currency always does.
    """
    if not {"revenue", "conversions"} <= facts.outcomes.keys() or facts.period_days > 1:
        return
    seen = facts.reported()
    earned, sold = (np.nan_to_num(seen.outcomes[name]) for name in ("revenue", "conversions"))
    if min(earned.shape) == 0 or (found := _stepped(_log(earned, sold))) is None:
        return
    after, before = slice(found.day, None), slice(max(found.day - SHORT_DAYS, 0), found.day)
    if seen.spend.shape == sold.shape:
        came = _log(sold, seen.spend)
        moved = _middle(came[after]) - _middle(came[before])
        if moved * np.sign(np.log(found.factor)) > np.log(STEADY):  # the newest may still come in
            return
    lines = np.minimum(sold[after].sum(axis=0), sold[before].sum(axis=0)) >= SOLD
    with np.errstate(divide="ignore", invalid="ignore"):
        price = [earned[side].sum(axis=0) / sold[side].sum(axis=0) for side in (after, before)]
        apart = np.abs(np.log(price[0] / price[1])[lines] - np.log(found.factor))
    weight = sold[:, lines].sum(axis=0)
    if not lines.any() or float(weight[apart <= np.log(ALIKE)].sum()) < MOST * weight.sum():
        return
    verdict.add(
        Level.REVIEW,
        "price-level",
        f"outcomes: a conversion brings {found.factor:.3g} times as much since "
        f"{seen.days[found.day]}, on all lines alike, and no more come for the money",
        "check the unit of revenue from that day on (cents, tax, another currency); if prices "
        "really changed, there is nothing to do",
        source="outcomes",
        column="revenue",
        value=f"{found.factor:.3g}",
    )


def _stepped(price: FloatArray) -> Step | None:
    """Return the step of a daily level in logs that explains it best, None where none is sure."""
    known = np.isfinite(price)
    best = None
    for day in range(max(len(price) - SHORT_DAYS, BEFORE), len(price) - AFTER + 1):
        sides = [price[:day][known[:day]][-SHORT_DAYS:], price[day:][known[day:]]]
        if len(sides[0]) < BEFORE or len(sides[1]) < AFTER:
            continue
        middles = [float(np.median(side)) for side in sides]
        off = np.concatenate([np.abs(side - at) for side, at in zip(sides, middles, strict=True)])
        size = middles[1] - middles[0]
        if best is None or off.sum() < best[0]:
            best = (float(off.sum()), day, size, 1.4826 * float(np.median(off)))
    if best is None or abs(best[2]) < max(np.log(STEP), SURE * best[3]):
        return None
    return Step(day=best[1], factor=float(np.exp(best[2])))


def _log(money: FloatArray, counted: FloatArray) -> FloatArray:
    """Return the log of what all lines together bring for each, by day; NaN where nothing is."""
    total, units = money.sum(axis=1), counted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where((total > 0) & (units > 0), np.log(total / units), np.nan))


def _middle(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0
