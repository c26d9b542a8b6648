"""What plans are worth: units that follow them against units kept on the old plan, drawn by chance.

Each side is held against itself before the holdout began, so that sizes cancel; both share seasons.
How far two such sides drift apart when nothing is done is read off the past: the same comparison of
other sets drawn alike, in windows before the holdout. The interval is that test turned round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.types import FloatArray, IntArray

BEFORE_DAYS = 56
PLACEBOS = 400
LEAST_PLACEBOS = 20
LEAST_DAYS = 7
LEAST_UNITS = 4
MOST_HELD = 0.5  # of the units


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingResult:
    """What plans earned over the old plan, as shares of what the old plan would have earned.

    Attributes:
        days: compared.
        lift, low, high: relative; the bounds are None while the past is too short for them.
        gain, gain_low, gain_high: the same in outcome a day over all units that follow plans.
        money: relative change of their money against the held-out units' over the same time.
    """

    days: int
    lift: float
    low: float | None
    high: float | None
    gain: float
    gain_low: float | None
    gain_high: float | None
    money: float


def draw_holdout(size: FloatArray, share: float, rng: np.random.Generator) -> IntArray:
    """Return the units to hold out, one of each size class, by chance.

    Args:
        size: (n_units,), such as money a day.
        share: of the units, above 0; at least one is held out.

    Raises:
        UsageError: fewer than LEAST_UNITS units, none or more than half of them asked for.
    """
    if not 0 < share <= MOST_HELD:
        raise UsageError(
            f"holdout --share: got {share:g}, need above 0 and at most {MOST_HELD:g}; 0.1 is 10 %"
        )
    n = max(1, round(share * size.size))
    if size.size < LEAST_UNITS or n > size.size // 2:
        raise UsageError(
            f"holdout: {n} of {size.size} units, need at least {LEAST_UNITS} units and to hold out "
            "at most half of them; choose a finer --by or a smaller --share"
        )
    classes = np.array_split(np.argsort(-size, kind="stable"), n)
    return np.sort(np.array([int(rng.choice(part)) for part in classes], dtype=np.int64))


def value_of_plans(
    outcome: FloatArray,
    spend: FloatArray,
    held: IntArray,
    start: int,
    rng: np.random.Generator,
    *,
    confidence: float = 0.9,
) -> StandingResult | None:
    """Return what the units that follow plans earned over the held-out; None in the first week.

    Args:
        outcome: (n_days, n_units), late outcomes completed, up to the last day that is mature.
        spend: the same shape.
        held: columns of the units that were held out.
        start: row of the first day of the holdout.
        rng: draws the placebos.
    """
    days = outcome.shape[0] - start
    if days < LEAST_DAYS or start < LEAST_DAYS:
        return None
    before, after = slice(max(0, start - BEFORE_DAYS), start), slice(start, outcome.shape[0])
    found = _apart(outcome, held, before, after)
    reach = _reach(outcome[:start], spend[:start], held.size, days, rng, confidence)
    pool = np.setdiff1d(np.arange(outcome.shape[1]), held)
    earned = float(outcome[after][:, pool].sum(axis=1).mean())

    def bounds(side: float) -> tuple[float | None, float | None]:
        if reach is None:
            return None, None
        return float(np.expm1(found + side * reach)), -earned * float(
            np.expm1(-found - side * reach)
        )

    low, gain_low = bounds(-1.0)
    high, gain_high = bounds(1.0)
    return StandingResult(
        days=days,
        lift=float(np.expm1(found)),
        low=low,
        high=high,
        gain=-earned * float(np.expm1(-found)),
        gain_low=gain_low,
        gain_high=gain_high,
        money=float(np.expm1(_apart(spend, held, before, after))),
    )


def _apart(table: FloatArray, held: IntArray, before: slice, after: slice) -> float:
    """Return log growth of the units that follow plans minus that of the held-out."""
    pool = np.setdiff1d(np.arange(table.shape[1]), held)

    def growth(columns: IntArray) -> float:
        tiny = 1e-9 * max(float(table.sum()), 1e-9)
        then, now = table[before][:, columns], table[after][:, columns]
        return float(np.log(now.sum(axis=1).mean() + tiny) - np.log(then.sum(axis=1).mean() + tiny))

    return growth(pool) - growth(held)


def _reach(
    past: FloatArray,
    spend: FloatArray,
    n_held: int,
    days: int,
    rng: np.random.Generator,
    confidence: float,
) -> float | None:
    """Return how far sides drift apart by chance, at the confidence; None where too little past.

    Windows of the past are shorter than a long holdout; units that wander then drift further by
    the root of the ratio, which is what is allowed for.
    """
    window = min(days, past.shape[0] // 3)
    if window < LEAST_DAYS:
        return None
    drifts = np.array(list(_placebos(past, spend, n_held, window, rng)))
    if drifts.size < LEAST_PLACEBOS:
        return None
    size = float(np.quantile(np.abs(drifts), confidence, method="higher"))
    return size * float(np.sqrt(max(days / window, 1.0)))


def _placebos(
    past: FloatArray, spend: FloatArray, n_held: int, window: int, rng: np.random.Generator
) -> Iterator[float]:
    classes = np.array_split(np.argsort(-spend.sum(axis=0), kind="stable"), n_held)
    starts = np.arange(window, past.shape[0] - window + 1)
    for _ in range(PLACEBOS if starts.size else 0):
        columns = np.array([int(rng.choice(part)) for part in classes], dtype=np.int64)
        start = int(rng.choice(starts))
        before = slice(max(0, start - BEFORE_DAYS), start)
        yield _apart(past, columns, before, slice(start, start + window))
