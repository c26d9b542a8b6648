"""Days inside the history that a source does not speak of: unknown, and never taken as zero.

A source may send rows only where money was spent, so a line without a row may have rested. What no
pause looks like is a day of which no line has a row, unless that weekday is often like that, and a
short gap of a line that spent on every day around it and whose outcomes went on all the same. Such
cells teach nothing, and the usual spend of the days around stands in.

Outcomes that are totals, of a region or of everything, have a row for every day or week, so one
that is missing is lost too.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray
from pipeline.io.facts import Facts
from pipeline.io.verdict import Verdict, aged_level, named_lines

WEEK = 7
NEAR_WEEKS = 8  # to each side, in which a weekday shows whether it usually rests
LEAST_DAYS = 3  # of a weekday; fewer show no habit
RESTS = 1 / 3  # share of a weekday's other days without a row from which on it is a habit
GAP_DAYS = 13  # a line that is silent for two weeks or more was switched off
WENT_ON = 0.6  # of the usual outcome: a line that rests has less
SHOWN_GAPS = 3


def check_gaps(facts: Facts, metric: str, verdict: Verdict) -> None:
    """Find lost days and lost stretches of lines, and keep them from the model."""
    empty: BoolArray = np.asarray(~facts.has_spend_row.any(axis=1))
    lost = _lost_rows(empty, WEEK)
    likely = _likely(facts, empty)
    for first, last in _runs(lost):
        cells = [(day, int(line)) for day in range(first, last + 1) for line in _paid(likely[day])]
        verdict.distrust(facts, cells, "missing-days", likely)
        units = facts.outcome_side
        if units is not facts:
            cells = [(day, n) for day in range(first, last + 1) for n in range(len(units.lines))]
            verdict.distrust(units, cells, "missing-days")
    if lost.any():
        newest = int(np.flatnonzero(lost)[-1])
        verdict.add(
            aged_level(facts, newest),
            "missing-days",
            f"spend: no row of any line on {_named_runs(facts, lost)}; taken as unknown, about "
            f"{float(likely[newest].sum()):.2f} a day, and not as zero",
            "fetch those days again; if nothing was spent, deliver rows with zero spend",
            source="spend",
            column="date",
            value=str(facts.days[newest]),
        )
    if facts.measured is None:  # else no line shows whether its outcomes went on
        _check_lines(facts, metric, lost, verdict)


def check_month(facts: Facts, policy: Policy, day: date, verdict: Verdict) -> None:
    """Say so where a month's money is paced and the history begins after the month did."""
    first = day.replace(day=1)
    if policy.budget.monthly is None or facts.days[0] <= first:
        return
    last = min(facts.days[0], day) - timedelta(days=1)
    verdict.add(
        Level.REVIEW,
        "month-unknown",
        f"spend: no row before {facts.days[0]}, so what {first} to {last} took of the month's "
        "budget is unknown; taken as spent like the days since",
        "deliver those days, with zero spend where nothing was spent",
        source="spend",
        column="date",
    )


def check_outcome_gaps(rows: Facts, verdict: Verdict) -> None:
    """Find rows that a series of totals lacks, and keep them from the model.

    What all series lack at the end has not come yet, and is said as that.

    Args:
        rows: of the series, as the source has them: days or weeks.
    """
    spoken = np.flatnonzero(rows.has_outcome_row.any(axis=1))
    if not spoken.size:
        return
    silent = np.asarray(~rows.has_outcome_row.any(axis=0))
    if silent.any():
        verdict.add(
            Level.REVIEW,
            "missing-series",
            f"outcomes: no row at all of {named_lines(rows, silent)}; nothing is learned of the "
            "lines there, and their budgets are held",
            "deliver its rows, or see whether both sources name it alike",
            source="outcomes",
        )
    lost = np.zeros(rows.has_outcome_row.shape, dtype=bool)
    end = int(spoken[-1]) + 1
    for unit in range(len(rows.lines)):
        has_row = rows.has_outcome_row[:end, unit]
        if has_row.any():
            begin = int(np.argmax(has_row))
            lost[begin:end, unit] = _lost_rows(~has_row[begin:], rows.week(), to_the_end=True)
    if not lost.any():
        return
    verdict.distrust(
        rows, [(int(row), int(unit)) for row, unit in np.argwhere(lost)], "missing-outcomes"
    )
    days, units = np.asarray(lost.any(axis=1)), np.asarray(lost.any(axis=0))
    newest = int(np.flatnonzero(days)[-1])
    whose = "" if len(rows.lines) == 1 else f" of {named_lines(rows, units)}"
    verdict.add(
        aged_level(rows, newest),
        "missing-outcomes",
        f"outcomes: no row{whose} on {_named_runs(rows, days)}; taken as unknown, not as zero",
        "fetch those rows again; if there was nothing, deliver rows with zero",
        source="outcomes",
        column="date",
        value=str(rows.days[newest]),
    )


def _lost_rows(empty: BoolArray, week: int, *, to_the_end: bool = False) -> BoolArray:
    """Return what is empty of a series although its weekday usually is not.

    Args:
        week: how many rows a week has.
        to_the_end: whether rows that end the series can be lost; else they have not come yet.
    """
    lost = np.zeros(len(empty), dtype=bool)
    for first, last in _runs(empty):
        if last == len(empty) - 1 and not to_the_end:
            continue  # a stale source, and said as that
        for row in range(first, last + 1):
            around = np.arange(row % week, len(empty), week)
            around = around[np.abs(around - row) <= NEAR_WEEKS * week]
            others = empty[around[(around < first) | (around > last)]]
            lost[row] = others.size < LEAST_DAYS or others.mean() < RESTS
    return lost


def _likely(facts: Facts, empty: BoolArray) -> FloatArray:
    """Return (n_days, n_lines), on empty days the mean of what is usual before and after them."""
    likely = np.zeros(facts.spend.shape)
    for first, last in _runs(empty):
        sides = [facts.spend[max(0, first - WEEK) : first], facts.spend[last + 1 :][:WEEK]]
        known = [np.median(side, axis=0) for side in sides if len(side)]
        likely[first : last + 1] = np.mean(known, axis=0)
    return likely


def _check_lines(facts: Facts, metric: str, lost: BoolArray, verdict: Verdict) -> None:
    """Find short gaps of single lines that are no pause."""
    cells, gone = [], np.zeros(facts.spend.shape, dtype=bool)
    likely = np.zeros(facts.spend.shape)
    for line in range(len(facts.lines)):
        paid = facts.spend[:, line] > 0
        for first, last in _short_gaps(~facts.has_spend_row[:, line] & ~lost, paid | lost):
            around = np.r_[first - WEEK : first, last + 1 : min(last + 1 + WEEK, len(paid))]
            outcome = facts.outcomes[metric][:, line]
            usual, now = _mean(outcome[around]), _mean(outcome[first : last + 1])
            if usual > 0 and now >= WENT_ON * usual and paid[around].any():
                gone[first : last + 1, line] = True
                likely[first : last + 1, line] = np.median(facts.spend[around[paid[around]], line])
                cells += [(day, line) for day in range(first, last + 1)]
    if not cells:
        return
    verdict.distrust(facts, cells, "missing-rows", likely)
    days, lines = np.asarray(gone.any(axis=1)), np.asarray(gone.any(axis=0))
    newest = int(np.flatnonzero(days)[-1])
    verdict.add(
        aged_level(facts, newest),
        "missing-rows",
        f"spend: no row on {_named_runs(facts, days)} for "
        f"{named_lines(facts, lines)}, which spent on every day around and whose "
        "outcomes went on; taken as unknown, not as zero",
        "fetch those days again; if the line rested, deliver rows with zero spend",
        source="spend",
    )


def _short_gaps(absent: BoolArray, busy: BoolArray) -> list[tuple[int, int]]:
    """Return the short gaps of a line that was busy on every day of the week to each side."""
    until = np.concatenate([[0], np.cumsum(busy)]).tolist()
    n_days, found = len(busy), []
    for first, last in _runs(absent):
        end = min(last + 1 + WEEK, n_days)
        is_short = first >= WEEK and last < n_days - 1 and last - first < GAP_DAYS
        is_busy_before = is_short and until[first] - until[first - WEEK] == WEEK
        if is_busy_before and until[end] - until[last + 1] == end - last - 1:
            found.append((first, last))
    return found


def _paid(likely: FloatArray) -> list[int]:
    return [int(line) for line in np.flatnonzero(likely > 0)]


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _runs(flags: BoolArray) -> list[tuple[int, int]]:
    """Return first and last index of every stretch that is marked."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    ends = np.flatnonzero(edges < 0) - 1
    return list(zip(np.flatnonzero(edges > 0).tolist(), ends.tolist(), strict=True))


def _named_runs(facts: Facts, flags: BoolArray) -> str:
    """Return the newest stretches as a sentence names them."""
    runs = _runs(flags)
    names = [
        f"{facts.days[first]}" + (f" to {facts.days[last]}" if last > first else "")
        for first, last in runs[-SHOWN_GAPS:]
    ]
    more = len(runs) - len(names)
    return ", ".join(names) + (f" and {more} stretches before" if more > 0 else "")
