"""Days on which outcomes stopped although money was spent: the tracker was silent.

A zero is judged by how unlikely it is for its own line, channel and portfolio. Sparse lines have
many zero days and are left alone; a line with fifty conversions a day has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import BoolArray, FloatArray, line_label
from pipeline.io.facts import Facts
from pipeline.io.line_outcomes import LATE, MISSING
from pipeline.io.verdict import Verdict, aged_level

UNLIKELY = np.log(1e-6)  # one false alarm in a million cells: 50 lines over 50 years
HALF_WINDOW = 14  # days to each side that say what is usual
NEAR_ZERO = 0.05  # of the usual: a tracker that lost nearly all of it
# Chernoff bounds of P(X <= 0.05 mean): exp(-0.8 mean) for a Poisson count, exp(-2.05 shape) for a
# gamma; a clustered count is a Poisson of a gamma.
POISSON_RATE, GAMMA_RATE = 0.8, 2.05
# What has arrived at least of a day's outcomes, by its age in days, while nothing is known.
ARRIVED = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3)
FASTER = 0.3  # a day has at least this share of what the day before it has


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Lines, their outermost groups and the whole portfolio, each as one series.

    Attributes:
        members: (n_units, n_lines), which lines a unit has.
        outcome, spend: (n_days, n_units).
    """

    names: tuple[str, ...]
    members: BoolArray
    outcome: FloatArray
    spend: FloatArray


def check_outages(facts: Facts, metric: str, verdict: Verdict, *, are_totals: bool = False) -> None:
    """Find silent stretches, keep them from the model, and FAIL when the newest is one of all.

    Conversions tell it best, since they are counts. The metric itself may stop while they go on,
    but a line's revenue is lumpy, so beside conversions only totals of it are judged.

    Args:
        are_totals: whether outcomes are counted whoever caused them: then they go on when spend
            rests, and a row that is not there is missing, which is said elsewhere.
    """
    reported = ~facts.has_outcome_row if are_totals else _not_there(facts, verdict)
    there = [name for name in dict.fromkeys(("conversions", metric)) if name in facts.outcomes]
    for counted in there:
        is_lumpy = counted != there[0] and not are_totals
        _check_metric(facts, counted, reported, verdict, are_totals=are_totals, only_all=is_lumpy)


def _not_there(facts: Facts, verdict: Verdict) -> BoolArray:
    """Return the cells whose outcomes have not come, as was found already: no silence of theirs."""
    place = {line: index for index, line in enumerate(facts.lines)}
    row = {day: index for index, day in enumerate(facts.days)}
    out = np.zeros(facts.spend.shape, dtype=bool)
    for (day, line), doubt in verdict.untrusted.items():
        if doubt.check in (LATE, MISSING) and line in place and day in row:
            out[row[day], place[line]] = True
    return out


def _check_metric(
    facts: Facts,
    counted: str,
    reported: BoolArray,
    verdict: Verdict,
    *,
    are_totals: bool,
    only_all: bool,
) -> None:
    """Judge one metric, of every line or only of all together, and mark the reported cells."""
    table = facts.outcomes[counted]
    covered: BoolArray = np.isfinite(table).any(axis=1).astype(bool)
    if covered.sum() < HALF_WINDOW:
        return
    units = _units(facts, np.nan_to_num(table))
    newest = int(np.flatnonzero(covered)[-1])
    silent: dict[int, list[tuple[int, int]]] = {}
    evidence, quiet = _evidence(units, covered, newest, are_totals=are_totals)
    whole = len(units.names) - 1
    for unit in range(whole if only_all else 0, whole + 1):
        runs = _unlikely_runs(evidence[:, unit], quiet[:, unit], covered)
        if runs:
            silent[unit] = runs
    _report(
        facts,
        units,
        silent,
        reported,
        newest=newest,
        metric=counted,
        verdict=verdict,
        are_totals=are_totals,
    )


def _units(facts: Facts, outcome: FloatArray) -> _Units:
    groups = facts.groups()
    n_lines = len(facts.lines)
    names = [line_label(line) for line in facts.lines]
    members = [np.eye(n_lines, dtype=bool)]
    distinct = sorted(set(groups))
    if 1 < len(distinct) < n_lines:
        members.append(np.array([[name == group for name in groups] for group in distinct]))
        names += distinct
    members.append(np.ones((1, n_lines), dtype=bool))
    names.append("all lines")
    stacked = np.concatenate(members)
    return _Units(
        names=tuple(names),
        members=stacked,
        outcome=outcome @ stacked.T.astype(float),
        spend=facts.spend @ stacked.T.astype(float),
    )


def _evidence(
    units: _Units, covered: BoolArray, newest: int, *, are_totals: bool
) -> tuple[FloatArray, BoolArray]:
    """Return the log probability of each cell's silence, and which cells are silent."""
    outcome, spend = units.outcome, units.spend
    known = covered.copy()
    known[max(0, newest - len(ARRIVED) + 1) :] = False
    usual, usual_spend = _usual(outcome, known), _usual(spend, known)
    paid = np.minimum(1.0, spend / np.maximum(usual_spend, 1e-12))
    if are_totals:
        paid = np.ones_like(paid)
    expected = usual * np.where(paid >= 0.5, paid, 0.0) * _weekday(outcome, usual, known)
    arrived = _arrived(outcome[:, -1], expected[:, -1], newest)
    quiet = (outcome <= NEAR_ZERO * expected * arrived[:, None]) & (expected > 0)
    quiet &= covered[:, None]
    shape = _shape(outcome, expected, known, quiet)
    mean = expected * arrived[:, None]
    at_zero = -shape * np.log1p(mean / shape)
    near_zero = -1.0 / (1.0 / (GAMMA_RATE * shape) + 1.0 / np.maximum(POISSON_RATE * mean, 1e-12))
    log_p = np.where(outcome <= 0, at_zero, near_zero)
    # A line that is silent now and then on its own tells by how often.
    is_zero = known[:, None] & (outcome <= 0) & ((spend > 0) | are_totals)
    alone = (is_zero & ~_long_runs(quiet)).sum(axis=0)
    often = np.log(np.maximum(alone, 1) / max(int(known.sum()), 1))
    return np.maximum(log_p, np.where(alone > 2, often, -np.inf)[None, :]), quiet


def _arrived(outcome: FloatArray, expected: FloatArray, newest: int) -> FloatArray:
    """Return which share of each day's outcomes must have arrived at the very least.

    Sources fill up at different speeds, so the newest days are judged by the days before them.
    """
    arrived = np.ones(len(outcome))
    older = 1.0
    for age in range(len(ARRIVED) - 1, -1, -1):
        day = newest - age
        if day < 0:
            continue
        arrived[day] = min(ARRIVED[age], FASTER * older)
        seen = float(outcome[day] / expected[day]) if expected[day] > 0 else 0.0
        older = min(1.0, seen) if seen > NEAR_ZERO * arrived[day] else arrived[day]
    return arrived


def _usual(values: FloatArray, known: BoolArray) -> FloatArray:
    """Return the mean of the days around each day, without the day itself."""
    weight = known.astype(float)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values * weight[:, None], 0)])
    counts = np.concatenate([[0.0], np.cumsum(weight)])
    day = np.arange(len(values))
    low = np.maximum(day - HALF_WINDOW, 0)
    high = np.minimum(day + HALF_WINDOW + 1, len(values))
    # Near the newest day few days follow, so the window reaches back instead.
    low = np.maximum(np.minimum(low, high - 2 * HALF_WINDOW), 0)
    total = sums[high] - sums[low] - values * weight[:, None]
    number = counts[high] - counts[low] - weight
    return np.where(number[:, None] >= 7, total / np.maximum(number, 1.0)[:, None], 0.0)


def _weekday(outcome: FloatArray, usual: FloatArray, known: BoolArray) -> FloatArray:
    """Return each day's usual share of its surroundings by its place in the week."""
    factor = np.ones(outcome.shape)
    ratio = outcome / np.maximum(usual, 1e-12)
    for place in range(7):
        days = np.arange(len(outcome)) % 7 == place
        rows = days & known
        if rows.sum() < 4:
            continue
        factor[days] = np.clip(np.median(ratio[rows], axis=0), 0.2, 2.0)
    return factor


def _shape(
    outcome: FloatArray, expected: FloatArray, known: BoolArray, quiet: BoolArray
) -> FloatArray:
    """Return how clustered each unit's outcomes are: the shape of the gamma behind the counts.

    Variance over squared mean is 1 / mean + 1 / shape. Peaks are cut, since they say nothing
    about zeros, and silent stretches are left out: they are what is being judged.
    """
    usable = known[:, None] & (expected > 0) & ~_long_runs(quiet)
    number = np.maximum(usable.sum(axis=0), 1)
    ratio = np.where(usable, outcome / np.maximum(expected, 1e-12), 1.0)
    spread = ((np.minimum(ratio, 2.5) - 1.0) ** 2 * usable).sum(axis=0) / number
    noise = (usable / np.maximum(expected, 1e-12)).sum(axis=0) / number
    return np.asarray(1.0 / np.clip(spread - noise, 0.01, 10.0))


def _long_runs(quiet: BoolArray) -> BoolArray:
    """Return the silent cells that have a silent neighbour day."""
    before = np.zeros_like(quiet)
    after = np.zeros_like(quiet)
    before[1:] = quiet[:-1]
    after[:-1] = quiet[1:]
    return quiet & (before | after)


def _unlikely_runs(
    log_p: FloatArray, quiet: BoolArray, covered: BoolArray
) -> list[tuple[int, int]]:
    """Return the silent runs (first, last day index) that chance does not explain."""
    runs: list[tuple[int, int]] = []
    days = np.flatnonzero(quiet & covered)
    if not days.size:
        return runs
    for run in np.split(days, np.flatnonzero(np.diff(days) > 1) + 1):
        # Silence follows silence in sparse lines too, so further days count half.
        weight = np.full(run.size, 0.5)
        weight[0] = 1.0
        if float((log_p[run] * weight).sum()) < UNLIKELY:
            runs.append((int(run[0]), int(run[-1])))
    return runs


def _report(
    facts: Facts,
    units: _Units,
    silent: dict[int, list[tuple[int, int]]],
    reported: BoolArray,
    *,
    newest: int,
    metric: str,
    verdict: Verdict,
    are_totals: bool,
) -> None:
    whole = len(units.names) - 1
    for unit in sorted(silent, reverse=True):  # the widest first; what it covers is said once
        for first, last in silent[unit]:
            cells = np.zeros_like(reported)
            cells[first : last + 1, units.members[unit]] = True
            fresh = cells & ~reported
            reported |= cells
            if not fresh.any():
                continue
            verdict.distrust(
                facts, [(int(day), int(line)) for day, line in np.argwhere(fresh)], "outage"
            )
            is_tonight = unit == whole and last == newest
            days = f"{facts.days[first]}" + (f" to {facts.days[last]}" if last > first else "")
            verdict.add(
                Level.FAIL if is_tonight else aged_level(facts, last),
                "outage",
                f"outcomes: {units.names[unit]} had almost no {metric} on {days}"
                + ("" if are_totals else " while spend went on"),
                "check the tracking; a day is read again when its outcomes have arrived"
                if is_tonight
                else "left out of the fit; check the tracking of those days",
                source="outcomes",
                column=metric,
            )
