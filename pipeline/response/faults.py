"""Cells that no response explains: silent tracking and amounts in the wrong unit.

Such cells teach nothing, and what they claim must not enter carry-over, demand or the value of an
outcome either. The tests ask for overwhelming evidence, so that a bad day stays in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray

UNIT_FACTOR = 12.0
"""A cell this many times above its neighbours is in another unit (100 is the usual slip)."""

NEIGHBOUR_DAYS = 10
SILENT_CHANCE = 1e-5  # a run of zeros less likely than this is silence, not bad luck
SILENT_SHARE = 0.03  # of the usual total: a day on which tracking was off for everybody
DISPERSION = 0.15  # variance over squared mean beyond counting that bad luck may have
WINDOW_DAYS = 28
ABSENT_DAYS = 3
UNHEARD = 5.0  # outcomes that should have come: that none did is less likely than one in a hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What is left of history to learn from.

    Attributes:
        spend: (n_days, n_lines), unit errors replaced by the neighbours' median.
        usable: (n_days, n_lines), outcomes that may teach.
        valued: (n_days, n_lines), cells whose money per outcome may teach.
        silent, slipped: (n_lines,), how many cells each test took out.
    """

    spend: FloatArray
    usable: BoolArray
    valued: BoolArray
    silent: IntArray
    slipped: IntArray


def screen(
    spend: FloatArray,
    outcome: FloatArray,
    money: FloatArray | None,
    trusted: BoolArray,
    share: FloatArray,
) -> Screened:
    """Return history without the cells that are faults.

    Args:
        spend: (n_days, n_lines), as reported.
        outcome: (n_days, n_lines), what is counted, as reported, no NaN.
        money: (n_days, n_lines), its worth as reported; None where the outcome is money itself.
        trusted: (n_days, n_lines), False where somebody already said no.
        share: (n_days, n_lines), of the outcome that has been reported by now.
    """
    # Where nobody is trusted, outcomes are lost or have not come: that says nothing of the spend.
    doubted = ~trusted & trusted.any(axis=1, keepdims=True)
    odd_spend = _too_large(spend) | doubted & _far_off(spend)
    clean = spend.copy()
    for day, line in zip(*np.nonzero(odd_spend), strict=True):
        clean[day, line] = _neighbours(np.where(odd_spend, np.nan, spend), day, line)
    odd_outcome = _too_large(outcome) & (outcome > 20.0)
    usable = trusted & ~odd_outcome & ~_absent(clean, outcome)
    silent = _silent(clean, outcome, usable, share) & usable
    usable &= ~silent
    valued = usable.copy()
    slipped = odd_spend.sum(axis=0) + odd_outcome.sum(axis=0)
    if money is not None:
        odd_money = _overpriced(outcome, money, usable)
        valued &= ~odd_money & np.isfinite(money)
        slipped = slipped + odd_money.sum(axis=0)
    return Screened(
        spend=clean, usable=usable, valued=valued, silent=silent.sum(axis=0), slipped=slipped
    )


def _absent(spend: FloatArray, outcome: FloatArray) -> BoolArray:
    """Return the cells of days on which a line did not exist, or was paused and not credited.

    Some count everything that comes through a line, ads or not; there a day without spend says what
    would have come anyway. Others attribute outcomes to ads; there it says nothing. Which of the
    two it is shows in whether outcomes go on, and has to be asked of a whole run of unpaid days:
    were only its empty days left out, those that were lucky would stay.
    """
    absent = np.zeros(spend.shape, dtype=bool)
    for line in np.flatnonzero((spend <= 0).any(axis=0)).tolist():
        counted, unpaid = outcome[:, line], _runs(spend[:, line] <= 0)
        runs = [(first, last) for first, last in unpaid if last - first >= ABSENT_DAYS]
        usual = _usual_unpaid(counted, runs)
        for first, last in runs:
            begun, ended = first, last
            with_any = first + np.flatnonzero(counted[first:last] > 0)
            heard = (int(with_any[0]), int(with_any[-1]) + 1) if with_any.size else (last, first)
            if usual == 0 or usual * (last - heard[1]) > UNHEARD:
                ended = heard[1]  # what was carried over has ended
            if first == 0 and (not with_any.size or usual * (heard[0] - first) > UNHEARD):
                begun = heard[0]  # before it, the line did not exist
            absent[first:begun, line] = True
            absent[ended:last, line] = True
    return absent


def _usual_unpaid(counted: FloatArray, runs: list[tuple[int, int]]) -> float:
    """Return what is counted on a day of unpaid runs, from each one's first outcome to its last.

    Args:
        counted: (n_days,), outcomes of a line.
        runs: first and one past the last day of each.
    """
    total, days = 0.0, 0
    for first, last in runs:
        with_any = np.flatnonzero(counted[first:last] > 0)
        if with_any.size:
            total += float(counted[first:last].sum())
            days += int(with_any[-1]) + 1 - int(with_any[0])
    return total / days if days else 0.0


def _too_large(table: FloatArray) -> BoolArray:
    """Return the cells far above the days around them."""
    positive = np.where(table > 0, table, np.nan)
    usual = _medians(positive, empty=np.inf)
    out = np.zeros(table.shape, dtype=bool)
    for day, line in zip(*np.nonzero(table > UNIT_FACTOR * usual), strict=True):
        around = _neighbours(positive, day, line)
        out[day, line] = around > 0 and table[day, line] > UNIT_FACTOR * around
    return out


def _far_off(table: FloatArray) -> BoolArray:
    usual = np.median(table, axis=0)
    return np.asarray((table > 4 * usual) | (table < usual / 4))


def _neighbours(table: FloatArray, day: int, line: int) -> float:
    """Return the median of the days around a cell, itself left out; NaNs do not count."""
    first = max(day - NEIGHBOUR_DAYS, 0)
    around = np.delete(table[first : day + NEIGHBOUR_DAYS + 1, line], day - first)
    around = around[np.isfinite(around)]
    if around.size == 0:
        around = table[:, line][np.isfinite(table[:, line])]
    return float(np.median(around)) if around.size else 0.0


def _overpriced(outcome: FloatArray, money: FloatArray, usable: BoolArray) -> BoolArray:
    """Return cells whose money is far beyond what their outcomes are usually worth."""
    count = np.where(usable, outcome, 0.0)
    paid = np.where(usable & np.isfinite(money), money, 0.0)
    ratio = np.where(count > 0, paid / np.maximum(count, 1e-9), np.nan)
    worth = _medians(ratio, empty=0.0)
    overall = np.nanmedian(ratio) if np.isfinite(ratio).any() else 0.0
    worth = np.where(worth > 0, worth, overall)
    return np.asarray(usable & (paid > UNIT_FACTOR * worth * (count + 3.0)) & (paid > 0))


def _silent(
    spend: FloatArray, outcome: FloatArray, usable: BoolArray, share: FloatArray
) -> BoolArray:
    """Return the cells on which outcomes were not tracked although money was spent."""
    silent = np.zeros(outcome.shape, dtype=bool)
    usual_spend = np.median(spend, axis=0)
    paused = spend < 0.2 * usual_spend
    zero = usable & (outcome <= 0)
    most = np.where(usable, outcome, 0.0).max(axis=0)
    enough = -np.log(SILENT_CHANCE) * DISPERSION / np.maximum(np.log1p(DISPERSION * most), 1e-12)
    for line in np.flatnonzero(zero.sum(axis=0) > enough).tolist():
        for first, last in _runs(zero[:, line]):
            if last - first <= enough[line]:  # bad luck, were the days around as good as can be
                continue
            around = np.r_[max(first - WINDOW_DAYS, 0) : first, last : last + WINDOW_DAYS]
            around = around[around < outcome.shape[0]]
            around = around[usable[around, line] & ~paused[around, line]]
            if around.size == 0:
                continue
            mean = (
                outcome[around, line].mean() * share[first:last, line] * ~paused[first:last, line]
            )
            if np.log1p(DISPERSION * mean).sum() / DISPERSION > -np.log(SILENT_CHANCE):
                silent[first:last, line] = True
    heard = usable & ~silent
    usual = np.where(heard, outcome, 0.0).sum(axis=0) / np.maximum(heard.sum(axis=0), 1)
    expected = (usual * share * ~paused).sum(axis=1)
    total = np.where(usable, outcome, 0.0).sum(axis=1)
    off = (expected > 20.0) & (total < SILENT_SHARE * expected)
    silent[off] = True
    return silent


def _medians(table: FloatArray, empty: float) -> FloatArray:
    """Return the median of each column, (n_lines,), NaNs left out; `empty` where all are."""
    known = np.isfinite(table).sum(axis=0)
    ordered, column = np.sort(table, axis=0), np.arange(table.shape[1])
    low = ordered[np.maximum(known - 1, 0) // 2, column]
    high = ordered[np.minimum(known // 2, len(table) - 1), column]
    return np.where(known > 0, 0.5 * (low + high), empty)


def _runs(flag: BoolArray) -> list[tuple[int, int]]:
    """Return first and one-past-last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flag.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
