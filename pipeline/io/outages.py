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
from pipeline.io.verdict import Verdict

UNLIKELY = np.log(1e-6)  # one false alarm in a million cells: 50 lines over 50 years
HALF_WINDOW = 14  # days to each side that say what is usual
NEAR_ZERO = 0.05  # of the usual: a tracker that lost nearly all of it
# P(Y <= 0.05 m) <= exp(-0.8 m) for a Poisson mean m (Chernoff).
NEAR_ZERO_WEIGHT = 0.8
# What has arrived at least of a day's outcomes, by its age in days, while nothing is known.
ARRIVED = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3)


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


def check_outages(facts: Facts, metric: str, verdict: Verdict) -> None:
    """Find silent stretches, keep them from the model, and FAIL when the newest is one of all."""
    counted = "conversions" if "conversions" in facts.outcomes else metric
    table = facts.outcomes[counted]
    covered: BoolArray = np.isfinite(table).any(axis=1).astype(bool)
    if covered.sum() < HALF_WINDOW:
        return
    units = _units(facts, np.nan_to_num(table))
    newest = int(np.flatnonzero(covered)[-1])
    silent: dict[int, list[tuple[int, int]]] = {}
    evidence, quiet = _evidence(units, covered, newest)
    for unit in range(len(units.names)):
        runs = _unlikely_runs(evidence[:, unit], quiet[:, unit], covered)
        if runs:
            silent[unit] = runs
    _report(facts, units, silent, newest=newest, metric=counted, verdict=verdict)


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


def _evidence(units: _Units, covered: BoolArray, newest: int) -> tuple[FloatArray, BoolArray]:
    """Return the log probability of each cell's silence, and which cells are silent."""
    outcome, spend = units.outcome, units.spend
    n_days = len(outcome)
    arrived = np.ones(n_days)
    for age, share in enumerate(ARRIVED):
        if newest - age >= 0:
            arrived[newest - age] = share
    known = covered & (arrived == 1.0)
    usual, usual_spend = _usual(outcome, known), _usual(spend, known)
    paid = np.minimum(1.0, spend / np.maximum(usual_spend, 1e-12))
    expected = usual * np.where(paid >= 0.5, paid, 0.0)
    quiet = (outcome <= NEAR_ZERO * expected * arrived[:, None]) & (expected > 0)
    quiet &= covered[:, None]
    counts = _effective_count(outcome, expected, known, quiet)
    log_p = -NEAR_ZERO_WEIGHT * counts * arrived[:, None]
    is_zero = known[:, None] & (outcome <= 0) & (spend > 0)
    alike = (is_zero & ~_long_runs(quiet)).sum(axis=0)
    base = np.log(np.maximum(alike, 1) / np.maximum(known.sum(), 1))
    floor = np.where(alike > 2, base, -np.inf)
    return np.maximum(log_p, floor[None, :]), quiet


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


def _effective_count(
    outcome: FloatArray, expected: FloatArray, known: BoolArray, quiet: BoolArray
) -> FloatArray:
    """Return mean squared over variance: how many independent events a day's outcome is worth.

    For a Poisson count that is its mean; for clustered or fractional outcomes it is less, which
    makes a zero less surprising.
    """
    usable = known[:, None] & (expected > 0) & ~_long_runs(quiet)
    number = np.maximum(usable.sum(axis=0), 1)
    ratio = np.where(usable, outcome / np.maximum(expected, 1e-12), 1.0)
    spread = ((ratio - 1.0) ** 2 * usable).sum(axis=0) / number
    scale = (expected * usable).sum(axis=0) / number
    # The spread is that of the typical day; counts make small days relatively noisier.
    per_event = np.maximum(spread * scale, 1e-12)
    counts = expected / np.maximum(per_event, 1.0)[None, :]
    return np.asarray(np.minimum(counts, (1.0 / np.maximum(spread, 1e-6))[None, :] * 4))


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
    *,
    newest: int,
    metric: str,
    verdict: Verdict,
) -> None:
    whole = len(units.names) - 1
    reported = np.zeros(facts.spend.shape, dtype=bool)
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
                Level.FAIL if is_tonight else Level.REVIEW,
                "outage",
                f"outcomes: {units.names[unit]} had almost no {metric} on {days} while spend "
                "went on",
                "check the tracking; a day is read again when its outcomes have arrived"
                if is_tonight
                else "left out of the fit; check the tracking of those days",
                source="outcomes",
                column=metric,
            )
