"""The gate of our own: what must be there, counted before any suite runs.

A suite says yes to an empty table, so what must be there is counted here. A rule that a fault of
tonight breaks is FAIL; the same fault in an older day is REVIEW, and the cell is kept from the
model, so that history never stops the nights for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.policy import Policy
from pipeline.core.types import BoolArray, FloatArray, Line
from pipeline.io.facts import Facts
from pipeline.io.levels import typical_levels
from pipeline.io.verdict import SHOWN_DAYS, Verdict, named_lines

MIN_DAYS = 7  # less than one week knows no weekday, and the change limits need a recent mean
SHORT_DAYS = 28
RECENT_DAYS = 7
PAUSED_DAYS = 7  # a line that is silent for longer was switched off
MISSING_SHARE = 1 / 3  # of recent spend: with more than that unknown, the rest says too little
RENAMED = 1.4  # the money of a name over that of the one it goes on under, at most
STALE_OUTCOME_DAYS = 3
MATERIAL = 0.01  # of the portfolio's recent daily spend
PARTIAL = 0.6  # of the week's lowest; a night cuts a line by a quarter, and holidays halve


def check_counts(facts: Facts | None, policy: Policy, verdict: Verdict) -> bool:
    """Check that there is something to learn from; False when nothing else can be checked."""
    metric = policy.objective.maximize
    if facts is None:
        verdict.add(
            Level.FAIL,
            "no-rows",
            "spend: no usable row before the plan's day",
            "check the dates of the file and the day of the night",
            source="spend",
        )
        return False
    n_days, n_lines = facts.spend.shape
    outcome = facts.outcome_side.outcomes.get(metric)
    if not facts.spend.any():
        verdict.add(
            Level.FAIL,
            "no-spend",
            f"spend: all {n_days} days of {n_lines} lines are zero",
            "check which column is mapped to spend",
            source="spend",
            column="spend",
        )
        return False
    if outcome is None or not np.isfinite(outcome).any() or not np.nansum(outcome) > 0:
        verdict.add(
            Level.FAIL,
            "no-outcome",
            f"outcomes: {metric} is never above zero on any line with spend",
            f"check which column is mapped to {metric}, and that both sources name lines alike",
            source="outcomes",
            column=metric,
        )
        return False
    if n_days < MIN_DAYS:
        verdict.add(
            Level.FAIL,
            "short-history",
            f"spend: {n_days} days before the plan's day, need {MIN_DAYS}",
            "wait, or hand over earlier days",
            source="spend",
        )
    elif n_days < SHORT_DAYS:
        verdict.add(
            Level.REVIEW,
            "short-history",
            f"spend: {n_days} days, fewer than {SHORT_DAYS}; the curves rest on little",
            source="spend",
        )
    return True


def check_newest_day(
    facts: Facts,
    day: date,
    verdict: Verdict,
    ordinary: Facts | None = None,
    moneyless: Collection[Line] = (),
) -> None:
    """Check that the newest day is there, and whole.

    Args:
        ordinary: the facts without what named days may bring.
        moneyless: lines that are meant to spend nothing, so that nobody misses their rows.
    """
    newest = facts.days[-1]
    if not facts.has_spend_row[-1].any():
        last = facts.days[int(np.flatnonzero(facts.has_spend_row.any(axis=1))[-1])]
        verdict.add(
            Level.FAIL,
            "stale-spend",
            f"spend: newest day is {last}, need {newest} for a plan of {day}",
            "fetch the source again when the platform has finished the day",
            source="spend",
            column="date",
            value=str(last),
        )
        return
    _check_missing(facts, verdict, moneyless)
    _check_partial(facts, ordinary or facts, verdict)


def _check_missing(facts: Facts, verdict: Verdict, moneyless: Collection[Line]) -> None:
    """Find lines that spoke this week and are silent now: unknown, held, and never taken as zero.

    A pause and a lost file look alike, so the lines keep their budgets and the rest is planned.
    Only where much of the money is silent can nothing be planned, unless names that are as new
    spend about as much: then nothing is lost.
    """
    before = slice(-1 - facts.week(), -1)
    spent = facts.spend[before].sum(axis=0)
    total = float(spent.sum())
    spoke = facts.has_spend_row[before].any(axis=0) & (spent > 0)
    meant = np.array([line in moneyless for line in facts.lines], dtype=bool)
    silent = ~facts.has_spend_row[-1] & spoke & ~meant
    share = float(spent[silent].sum()) / total if total > 0 else 0.0
    is_much = share >= MISSING_SHARE and not _is_renamed(facts, silent, before)
    level = Level.FAIL if is_much else Level.REVIEW
    groups = facts.groups()
    lost = np.zeros(len(facts.lines), dtype=bool)
    for group in sorted(set(groups)):
        members = np.array([name == group for name in groups])
        part = float(spent[members].sum()) / total if total > 0 else 0.0
        is_line = len(facts.lines[0]) == 1  # then a group is one line, judged below
        if is_line or part < MATERIAL or not silent[members].any():
            continue
        if facts.has_spend_row[-1][members].any():
            continue
        lost |= members
        verdict.add(
            level,
            "missing-group",
            f"spend: {group} has no row on {facts.days[-1]}, and had {part:.0%} of the week's "
            "spend; its budgets are held",
            "fetch the source again; if it was paused on purpose, deliver rows with zero spend",
            source="spend",
            value=group,
        )
    left = silent & ~lost
    if left.any():
        verdict.add(
            level,
            "missing-lines",
            f"spend: no row on {facts.days[-1]} for {named_lines(facts, left)} "
            f"({float(spent[left].sum()) / total:.1%} of the week's money); their budgets are held",
            "taken as unknown, not as zero; if they were paused, deliver rows with zero spend",
            source="spend",
        )
    _distrust_silence(facts, silent, verdict)
    _report_paused(facts, verdict)


def _is_renamed(facts: Facts, silent: BoolArray, week: slice) -> bool:
    """Return whether names that the week before did not begin with spend what silent lines did.

    A name that was there before, and had not spent for a week, is as new. What it spent on its best
    day counts: plans may have cut it since.
    """
    rested = slice(-2 * facts.week(), -facts.week())
    began = ~(facts.has_spend_row[rested] & (facts.spend[rested] > 0)).any(axis=0)
    paid = np.where(facts.has_spend_row[week], facts.spend[week], 0.0)
    days = np.maximum(facts.has_spend_row[week].sum(axis=0), 1)
    gone = float((paid.sum(axis=0) / days)[silent].sum())
    told = np.where(facts.has_spend_row, facts.spend, 0.0)[-facts.week() :, began]
    return float(told[:, told[-1] > 0].max(axis=0).sum()) * RENAMED >= gone


def _distrust_silence(facts: Facts, silent: BoolArray, verdict: Verdict) -> None:
    """Keep each silent line's days since its last row from the model; its usual spend stands in."""
    likely = np.zeros(facts.spend.shape)
    cells = []
    for line in np.flatnonzero(silent).tolist():
        spoken = np.flatnonzero(facts.has_spend_row[:, line])
        likely[:, line] = np.median(facts.spend[spoken[-RECENT_DAYS:], line])
        cells += [(day, line) for day in range(int(spoken[-1]) + 1, len(facts.days))]
    verdict.distrust(facts, cells, "missing-lines", likely)


def _report_paused(facts: Facts, verdict: Verdict) -> None:
    last_row = np.array(
        [
            rows[-1] if (rows := np.flatnonzero(column)).size else -1
            for column in facts.has_spend_row.T
        ]
    )
    silent_days = (len(facts.days) - 1 - last_row) * facts.period_days
    paused = (silent_days > PAUSED_DAYS) & (silent_days <= SHOWN_DAYS)
    if paused.any():
        verdict.add(
            Level.REVIEW,
            "paused",
            f"spend: no row for more than {PAUSED_DAYS} days for {named_lines(facts, paused)}",
            "taken as switched off",
            source="spend",
        )


def _check_partial(facts: Facts, ordinary: Facts, verdict: Verdict) -> None:
    """Find a day that was exported before it was over: nearly every line is far down at once.

    Money by the week comes in flights, and a week far below the seven before it is nothing odd.
    """
    if facts.period_days > 1:
        return
    window = ordinary.spend[-29:-1]
    if window.shape[0] < RECENT_DAYS:
        return
    newest, level = ordinary.spend[-1], typical_levels(ordinary.spend)
    usual = np.median(window[-14:], axis=0)
    large = usual > MATERIAL * float(np.median(window.sum(axis=1)))
    if not large.any():
        return
    lowest = float(level[-1 - RECENT_DAYS : -1].min())
    down = newest[large] < 0.75 * usual[large]
    if float(level[-1]) < PARTIAL * lowest and down.mean() > 0.7:
        verdict.add(
            Level.FAIL,
            "partial-day",
            f"spend: {facts.days[-1]} has {facts.spend[-1].sum():.2f}, "
            f"{level[-1] / lowest:.0%} of the least of the week before by its place in the week; "
            "the day looks cut short",
            "fetch the source again when the platform has finished the day",
            source="spend",
            column="spend",
        )


def check_columns(facts: Facts, verdict: Verdict) -> None:
    """Check that the columns are not each other: a swapped header reads as good numbers."""
    recent = slice(-SHORT_DAYS, None)
    clicks, shown = (_total(values[recent]) for values in (facts.clicks, facts.impressions))
    both = np.isfinite(facts.clicks[recent]) & np.isfinite(facts.impressions[recent])
    if both.any() and clicks > shown > 0:
        verdict.add(
            Level.FAIL,
            "swapped-columns",
            f"spend: {clicks:.0f} clicks and {shown:.0f} impressions in {SHORT_DAYS} days; "
            "the columns seem to have changed places",
            "check the header, or map the columns under sources.spend.columns",
            source="spend",
            column="clicks",
        )
    sold = facts.outcomes.get("conversions")
    if sold is not None and clicks > 0 and _total(sold[recent]) > clicks:
        verdict.add(
            Level.REVIEW,
            "conversions-above-clicks",
            f"outcomes: {_total(sold[recent]):.0f} conversions and {clicks:.0f} clicks in "
            f"{SHORT_DAYS} days",
            "normal where views count as well; else check which columns are read",
            source="outcomes",
            column="conversions",
        )


def _total(values: FloatArray) -> float:
    return float(np.nansum(values))


def check_cut_off(open_files: list[str], verdict: Verdict) -> None:
    """Refuse a file that ends inside a row when lines of the newest day are missing."""
    missing = [item for item in verdict.findings if item.check == "missing-lines"]
    if open_files and missing:
        verdict.add(
            Level.FAIL,
            "cut-off",
            f"spend: {', '.join(open_files[:3])} ends without a line end and lines of the newest "
            "day are missing; the file looks half-written",
            "write the file under another name and rename it when it is complete",
            source="spend",
        )


def check_outcome_cover(
    facts: Facts, policy: Policy, day: date, verdict: Verdict, before: Facts | None = None
) -> None:
    """Check how far the outcomes reach: days that they do not cover yet are unknown.

    A row that spans a week is late from the day after its week on.

    Args:
        before: the same as an earlier night had it. A source that is always as late is as usual.
    """
    metric = policy.objective.maximize
    behind = _days_behind(facts, metric)
    if not behind:
        return
    late = (day - facts.days[-1]).days + behind - policy.sources.period_days
    is_usual = before is not None and behind <= _days_behind(before, metric)
    level = Level.PASS if is_usual else Level.REVIEW
    rest = "they are unknown yet, and nothing is learned of them"
    if late > STALE_OUTCOME_DAYS:
        level, rest = Level.FAIL, f"at most {STALE_OUTCOME_DAYS} days late are worked with"
    verdict.add(
        level,
        "stale-outcomes",
        f"outcomes: newest day is {facts.days[-1 - behind]}, and spend has {behind} "
        f"{'day' if behind == 1 else 'days'} more; {rest}",
        "fetch the source again",
        source="outcomes",
        column="date",
    )


def _days_behind(facts: Facts, metric: str) -> int:
    """Return how many of the newest days have no outcome yet, 0 where no day has any."""
    known = facts.outcomes.get(metric)
    covered = [] if known is None else np.flatnonzero(np.isfinite(known).all(axis=1)).tolist()
    return len(facts.days) - 1 - covered[-1] if covered else 0
