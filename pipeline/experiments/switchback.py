"""Switchback tests: the same units with and without treatment, block by block, in random order.

Blocks come in pairs, and chance says which of the two is treated, so each pair's difference is as
likely to have either sign where nothing happens, whatever trends and seasons do. The first days of
each block still carry the block before and are left out. The estimate is the median of all averages
of two differences (Hodges and Lehmann 1963), which a few odd blocks cannot move; test and interval
are exact for that design (Wilcoxon 1945); pairs without a difference say nothing and are left out.
Design: Bojinov, Simchi-Levi and Zhao (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.panel import Panel
from pipeline.core.types import FloatArray, IntArray
from pipeline.experiments.readout import ReadOut, caused, relative

DRAWS = 400
LEAST_PAST_DAYS = 28
LEAST_DIFFERENCE = 1e-9  # in logs; less is the rounding of sums, and no difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which blocks of a test are treated.

    Attributes:
        block_days: length of a block.
        washout_days: at the start of each block, left out.
        treated: one a block; blocks 2i and 2i + 1 are a pair with one treated.
    """

    block_days: int
    washout_days: int
    treated: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.washout_days < self.block_days:
            raise UsageError(
                f"switchback: {self.washout_days} days of washout in blocks of {self.block_days}, "
                "need fewer; lengthen --block or shorten --washout"
            )
        pairs = zip(self.treated[0::2], self.treated[1::2], strict=True)
        if not self.treated or any(first == second for first, second in pairs):
            raise UsageError("switchback: blocks come in pairs of which one is treated")

    @property
    def days(self) -> int:
        """The whole test."""
        return self.block_days * len(self.treated)

    def is_treated(self, day: int) -> bool:
        """Return whether a day of the test, counted from 0, is treated."""
        return self.treated[day // self.block_days]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchbackDesign:
    """What a switchback of so many pairs finds.

    Attributes:
        least_effect: the smallest relative effect found with the wanted power.
        power: of the effect that was asked about; None where none was.
        spread: standard deviation of a pair's relative difference in the past.
        outcome: expected on treated days.
        price: money moved; None where spend is not known.
    """

    pairs: int
    days: int
    alpha: float
    least_effect: float
    power: float | None
    spread: float
    outcome: float
    price: float | None


def draw_schedule(
    days: int, block_days: int, washout_days: int, rng: np.random.Generator
) -> Schedule:
    """Return a schedule of whole pairs of blocks, each pair's order by the toss of a coin.

    Raises:
        UsageError: not even one pair fits.
    """
    pairs = days // (2 * block_days) if block_days > 0 else 0
    if pairs < 1:
        raise UsageError(
            f"switchback: {days} days hold no pair of blocks of {block_days}; lengthen --days"
        )
    heads = rng.integers(0, 2, pairs).astype(bool)
    treated = tuple(bool(side) for head in heads for side in (head, not head))
    return Schedule(block_days=block_days, washout_days=washout_days, treated=treated)


def design_switchback(
    panel: Panel,
    units: Sequence[str],
    days: int,
    block_days: int,
    washout_days: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.1,
    power: float = 0.8,
    effect: float | None = None,
    spend_change: float = 1.0,
) -> SwitchbackDesign:
    """Return what a test would find, from the past in which nothing was done.

    Args:
        panel: the past; units that are not switched are what the others are held against.
        spend_change: relative change of the units' money on treated days.

    Raises:
        UsageError: too little past, or too few pairs for any result to be significant.
    """
    schedule = draw_schedule(days, block_days, washout_days, rng)
    pairs = len(schedule.treated) // 2
    if 2.0 ** (1 - pairs) > alpha:
        raise UsageError(
            f"switchback: {pairs} pairs can never be significant at {alpha:g}, need "
            f"{least_pairs(alpha)}; lengthen --days or shorten --block"
        )
    span = schedule.days
    if len(panel.days) < max(span + 7, LEAST_PAST_DAYS):
        raise UsageError(
            f"switchback: {len(panel.days)} days of past for a test of {span}, need "
            f"{max(span + 7, LEAST_PAST_DAYS)}; load more or shorten --days"
        )
    series = _series(panel, units, len(panel.days))
    doubt = _doubt(len(panel.days) // (2 * block_days) - 1, rng)
    reach, spreads = [], []
    for _ in range(DRAWS):
        start = int(rng.integers(0, len(panel.days) - span + 1))
        drawn = draw_schedule(days, block_days, washout_days, rng)
        found = _differences(series, start, drawn, pairs)
        reach.append(-_interval(found, alpha)[0])
        spreads.append(found)
    needed = np.array(reach) * doubt
    columns = panel.columns(units)
    half = span / 2
    money = None if panel.spend is None else panel.spend[-28:, columns].sum(axis=1).mean()
    return SwitchbackDesign(
        pairs=pairs,
        days=span,
        alpha=alpha,
        least_effect=float(np.expm1(np.quantile(needed, power))),
        power=None if effect is None else float(np.mean(np.log1p(abs(effect)) > needed)),
        spread=float(np.std(np.concatenate(spreads))),
        outcome=float(panel.outcome[-28:, columns].sum(axis=1).mean()) * half,
        price=None if money is None else abs(spend_change) * float(money) * half,
    )


def read_switchback(
    panel: Panel, units: Sequence[str], first_day: date, schedule: Schedule, *, alpha: float = 0.1
) -> ReadOut:
    """Return what a switchback showed on the pairs of blocks that are over.

    Args:
        alpha: two-sided error that this look may spend.

    Raises:
        UsageError: no pair of blocks is over yet.
    """
    start = (first_day - panel.days[0]).days
    over = min((len(panel.days) - start) // (2 * schedule.block_days), len(schedule.treated) // 2)
    if start < 0 or over < 1:
        raise UsageError(
            f"switchback read-out: the first pair of blocks ends "
            f"{2 * schedule.block_days} days after {first_day}, data end {panel.days[-1]}; wait"
        )
    found = _differences(_series(panel, units, start), start, schedule, over)
    lift = float(np.median(_walsh(found)))
    low, high = _interval(found, alpha)
    p_value = _p_value(found)
    rows = slice(start, start + 2 * over * schedule.block_days)
    on = np.array([schedule.is_treated(day) for day in range(rows.stop - rows.start)])
    columns = panel.columns(units)
    days = panel.outcome[rows][on][:, columns].sum(axis=1)
    would = float(np.exp(_log(days)).sum()) * math.exp(-lift)
    incremental = caused(would, lift, lift)
    change = None
    if panel.spend is not None:
        money = panel.spend[rows][:, columns].sum(axis=1)
        change = float(money[on].sum() - money[~on].sum())
    error = float(np.std(found, ddof=1) / math.sqrt(over)) if over > 1 else math.inf
    return ReadOut(
        first_day=first_day,
        last_day=panel.days[rows.stop - 1],
        treated=tuple(units),
        incremental=incremental,
        low=caused(would, lift, low),
        high=caused(would, lift, high),
        standard_error=would * error,
        lift=relative(lift),
        lift_low=relative(low),
        lift_high=relative(high),
        p_value=p_value,
        confidence=1 - alpha,
        is_significant=p_value <= alpha,
        spend_change=change,
        iroas=incremental / change if change else None,
        fit_error=float(np.std(found)),
    )


def _doubt(freedom: int, rng: np.random.Generator) -> FloatArray:
    """Return draws of the true spread over the one that so many independent pairs have shown.

    A short past may have been quiet by luck; what is taken from it alone promises too much power.
    """
    free = max(freedom, 1)
    return np.asarray(np.sqrt(free / rng.chisquare(free, DRAWS)))


def least_pairs(alpha: float) -> int:
    """Return how many pairs it takes before any result can be significant."""
    return math.ceil(1 - math.log2(alpha))


def _series(panel: Panel, units: Sequence[str], past: int) -> FloatArray:
    """Return the units' log outcome, held against the others' and freed of the past's week."""
    columns = panel.columns(units)
    logs = _log(panel.outcome[:, columns].sum(axis=1))
    others = np.delete(panel.outcome, columns, axis=1).sum(axis=1)
    if others.any():
        logs = logs - _log(others)
    weekday = np.array([day.weekday() for day in panel.days])
    known = np.arange(len(logs)) < max(past, 1)
    for day in range(7):
        of_day = known & (weekday == day)
        if of_day.sum() >= 2:
            logs[weekday == day] -= logs[of_day].mean() - logs[known].mean()
    return logs


def _log(total: FloatArray) -> FloatArray:
    """Return logs; a day without anything counts as half of one."""
    return np.asarray(np.log(np.maximum(total, 0.5)))


def _differences(series: FloatArray, start: int, schedule: Schedule, pairs: int) -> FloatArray:
    """Return treated minus untreated of each pair, (n_pairs,)."""
    blocks = series[start : start + 2 * pairs * schedule.block_days]
    kept = blocks.reshape(2 * pairs, schedule.block_days)[:, schedule.washout_days :].mean(axis=1)
    treated = np.array(schedule.treated[: 2 * pairs]).reshape(pairs, 2)
    both = kept.reshape(pairs, 2)
    return np.asarray(np.where(treated[:, 0], 1.0, -1.0) * (both[:, 0] - both[:, 1]))


def _walsh(found: FloatArray) -> FloatArray:
    """Return the averages of any two differences and of each with itself, ascending."""
    left, right = np.triu_indices(found.size)
    return np.asarray(np.sort((found[left] + found[right]) / 2))


def _interval(found: FloatArray, alpha: float) -> tuple[float, float]:
    """Return every effect that the signed-rank test does not reject."""
    cumulated = np.cumsum(_rank_chances(np.arange(1, found.size + 1)))
    outside = int((cumulated <= alpha / 2 * (1 + 1e-12)).sum())
    if outside == 0:
        return -math.inf, math.inf
    walsh = _walsh(found)
    return float(walsh[outside - 1]), float(walsh[-outside])


def _p_value(found: FloatArray) -> float:
    """Return the two-sided chance of such signs, were each the toss of a coin; ties share ranks."""
    from scipy.stats import rankdata

    real = found[np.abs(found) > LEAST_DIFFERENCE]
    sizes = np.round(np.abs(real) / LEAST_DIFFERENCE)
    ranks = np.rint(2 * rankdata(sizes)).astype(np.int64)  # twice, so that halves are whole
    positive = int(ranks[real > 0].sum())
    chances = _rank_chances(ranks)
    tail = min(float(chances[: positive + 1].sum()), float(chances[positive:].sum()))
    return min(2 * tail, 1.0)


def _rank_chances(ranks: IntArray) -> FloatArray:
    """Return the chance of every sum of positive ranks where signs are tosses of a coin."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks.tolist():
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    return chances
