"""Lines whose newest outcomes are not there though others' are: unknown, and not sold out.

A source may send no row where nothing was sold, so a line that has none is judged by how unlikely
that is for it: by what it sold on every day of four weeks, and by how much of their usual the other
lines have on the same days, since the newest days fill up over time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.findings import Level
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.io.facts import Facts
from pipeline.io.lags import Lag, days_behind, usually_behind
from pipeline.io.verdict import Verdict, named_lines

USUAL_DAYS = 28
LONGEST = 13  # a line that sells nothing for two weeks or more has ended
SPENT = 0.6  # of the usual money; a line that spends less, as plans may cut it, sells less
UNLIKELY = np.log(1e-4)  # of a line and night; the price of a false alarm is a line held for one
LATE = "late-outcomes"
MISSING = "missing-outcomes"


def check_line_outcomes(facts: Facts, verdict: Verdict, earlier: Sequence[Lag] = ()) -> None:
    """Find lines that lack the newest outcomes, and keep those cells from the model.

    Args:
        earlier: what nights before lacked. A line that lacked as many days within four weeks, and
            got them since, is as late as it always is, and nothing is wrong with it.
    """
    seen = facts.reported()
    if facts.period_days > 1 or len(seen.days) <= USUAL_DAYS:
        return
    behind = days_behind(seen)
    lost = _is_unlikely(seen, behind)
    late = lost & (behind <= usually_behind(seen, earlier))
    for which, check in ((lost & ~late, MISSING), (late, LATE)):
        if not which.any():
            continue
        cells = [
            (len(seen.days) - 1 - back, int(line))
            for line in np.flatnonzero(which)
            for back in range(behind[line])
        ]
        verdict.distrust(facts, cells, check)
        first, least = seen.days[-int(behind[which].max())], int(behind[which].min())
        span = f"{first}" + (f" to {seen.days[-1]}" if first < seen.days[-1] else "")
        if first < seen.days[-least]:
            span += f" (the newest {least} of these days at least)"
        verdict.add(
            Level.PASS if check == LATE else Level.REVIEW,
            check,
            f"outcomes: no row of {named_lines(facts, which)} on {span}, and one on every day of "
            "the four weeks before; "
            + (
                "no later than within the four weeks before"
                if check == LATE
                else "taken as unknown, not as zero"
            ),
            ""
            if check == LATE
            else "fetch those days again; if nothing was sold, deliver rows with zero",
            source="outcomes",
            column="date",
            value=str(seen.days[-1]),
        )


def _is_unlikely(seen: Facts, behind: IntArray) -> BoolArray:
    """Return the lines whose days without a row chance does not explain."""
    odd = np.zeros(len(seen.lines), dtype=bool)
    for days in range(1, LONGEST + 1):
        lines = behind == days
        before = slice(len(seen.days) - days - USUAL_DAYS, len(seen.days) - days)
        if before.start < 0 or not lines.any() or lines.all():
            continue
        usual = np.maximum(np.median(seen.spend[before], axis=0), 1e-9)
        paid = np.minimum(1.0, seen.spend[-days:].mean(axis=0) / (SPENT * usual))
        always = seen.has_outcome_row[before].all(axis=0)
        evidence = np.zeros(len(seen.lines))
        for name, table in seen.outcomes.items():
            arrived = _arrived(table, before, behind < days)
            found = _evidence(table[before], arrived * paid, are_counts=name == "conversions")
            evidence = np.fmax(evidence, found)
        odd |= lines & always & (evidence > -UNLIKELY)
    return odd


def _evidence(usual: FloatArray, arrived: FloatArray, *, are_counts: bool) -> FloatArray:
    """Return minus the log probability that each line sold nothing on a day.

    Counts are taken as negative binomial, mean and variance as they were. Anything else is like
    mean squared over variance independent sales, which clustering and weekdays make fewer. A line
    that had a day of nothing has none.

    Args:
        usual: (n_days, n_lines).
        arrived: (n_lines,), share of the usual outcomes that should have come by now.
    """
    mean, spread = usual.mean(axis=0), usual.var(axis=0)
    least = 1e-9 * np.maximum(mean, 1e-9)
    if are_counts:
        shape = mean**2 / np.maximum(spread - mean, least)
        found = shape * np.log1p(arrived * mean / np.maximum(shape, 1e-12))
    else:
        found = arrived * mean**2 / np.maximum(spread, least)
    return np.where((usual > 0).all(axis=0), found, 0.0)


def _arrived(table: FloatArray, before: slice, others: BoolArray) -> float:
    """Return the least share of their usual that the lines with rows have on the days after."""
    usual = float(table[before][:, others].sum(axis=1).mean())
    arrived = float(table[before.stop :][:, others].sum(axis=1).min())
    return min(1.0, arrived / usual) if usual > 0 else 0.0
