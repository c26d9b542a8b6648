"""Lift tests as evidence: a curve has to explain what an experiment measured.

Given a node of the grid, a line's level is normal, and a test's lift is the level times a known
number plus noise: the update is exact, like one more observation. A test on several lines is
shared out with the other lines at their present estimate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.history import History, LiftTest
from pipeline.core.types import FloatArray, IntArray, RealArray
from pipeline.response.curves import RETENTIONS, SHAPES, carried_spend

HALF_LIFE_DAYS = 90.0
"""Effects drift: after so many days a test's variance counts twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """One test, seen from the curves.

    Attributes:
        lines: (n,), indices of the treated lines.
        contrast: (n_retentions, n_shapes, n), the lift for each unit of outcome that spend
            causes a day at the reference spend.
        lift, variance: as measured, aged.
        name: what people call it.
    """

    lines: IntArray
    contrast: FloatArray
    lift: float
    variance: float
    name: str = "lift test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """One test that history covers, placed in it.

    Attributes:
        lines: (n,), indices of the treated lines.
        begin, end: of the window, indices of days, half open.
        spend: (n_days, n), of the treated lines, with the test.
        without: the same if there had been no test.
        lift, variance: as measured, aged.
        name: what people call it.
    """

    lines: IntArray
    begin: int
    end: int
    spend: FloatArray
    without: FloatArray
    lift: float
    variance: float
    name: str = "lift test"


def treatments(
    history: History, tests: tuple[LiftTest, ...], spend: FloatArray
) -> tuple[Treatment, ...]:
    """Return the tests that history covers and that moved money on known lines.

    Args:
        history: for its calendar and lines.
        tests: as measured, in units of the metric.
        spend: (n_days, n_lines), cleaned.
    """
    index = {line: i for i, line in enumerate(history.lines)}
    first = history.days[0].toordinal()
    found = []
    for test in tests:
        if not covers(history, test):
            continue
        treated = np.array(sorted(index[line] for line in test.lines), dtype=int)
        begin, end = test.first_day.toordinal() - first, test.last_day.toordinal() - first + 1
        touched, without = _compared(spend[:, treated], begin, end, test)
        found.append(
            Treatment(
                lines=treated,
                begin=begin,
                end=end,
                spend=touched,
                without=without,
                lift=test.lift,
                variance=test.standard_error**2 * 2 ** ((len(history.days) - end) / HALF_LIFE_DAYS),
                name=test.name,
            )
        )
    return tuple(found)


def covers(history: History, test: LiftTest) -> bool:
    """Return whether history has the test's lines and days."""
    inside = history.days[0] <= test.first_day <= test.last_day <= history.days[-1]
    return inside and bool(test.lines) and set(test.lines) <= set(history.lines)


def experiment_finding(history: History, tests: tuple[LiftTest, ...]) -> tuple[Finding, ...]:
    """Return which experiments the curves rest on, nothing where there are none."""
    if not tests:
        return ()
    used = [test.name for test in tests if covers(history, test)]
    left = [test.name for test in tests if not covers(history, test)]
    said = f"{len(used)} lift test{'' if len(used) == 1 else 's'} taught the curves"
    return (
        Finding(
            level=Level.REVIEW if left else Level.PASS,
            check="model.experiments",
            message=(f"{said}: {_names(used)}" if used else said)
            + (f"; outside the history or its lines: {_names(left)}" if left else ""),
            value=str(len(used)),
        ),
    )


def _names(names: list[str]) -> str:
    """Return names with commas, each once, and how often where that is more."""
    times = Counter(names)
    return ", ".join(f"{name} ({n} times)" if n > 1 else name for name, n in times.items())


def readouts(
    tests: tuple[Treatment, ...], reference: FloatArray, factor: RealArray
) -> tuple[Readout, ...]:
    """Return the tests as the grid sees them.

    Args:
        tests: placed in history.
        reference: (n_lines,).
        factor: (n_days, n_lines), outcome of a day over what the same spend brings today: demand,
            and how far the level was away.
    """
    return tuple(
        Readout(
            lines=test.lines,
            contrast=_contrast(test, reference[test.lines], factor),
            lift=test.lift,
            variance=test.variance,
            name=test.name,
        )
        for test in tests
    )


def _compared(
    spend: FloatArray, begin: int, end: int, test: LiftTest
) -> tuple[FloatArray, FloatArray]:
    """Return the treated lines' spend with and without the test."""
    if test.spend_without is None:
        return spend, _without(spend, begin, end, test.spend_change)
    window = spend[begin:end]
    total = float(window.sum())
    even = np.full(window.shape, 1.0 / window.size)
    pattern = window / total if total > 0 else even  # over lines and days as the money went
    treated, untreated = spend.copy(), spend.copy()
    treated[begin:end] = pattern * (test.spend_without + test.spend_change)
    untreated[begin:end] = pattern * test.spend_without
    return treated, untreated


def _without(spend: FloatArray, begin: int, end: int, change: float) -> FloatArray:
    """Return the treated lines' spend as it would have been without the test."""
    window = spend[begin:end]
    total = float(window.sum())
    if change > 0:
        # Below nothing only by rounding, or where a fault was taken out of the money: a change
        # beyond what was spent is no test (plausible.py).
        instead = window * max(1 - change / max(total, 1e-9), 0.0)
    else:  # money was taken away; what would have been spent is spread like the budgets
        usual = spend[max(begin - 28, 0) : begin].mean(axis=0) if begin > 0 else window.mean(axis=0)
        share = usual / max(float(usual.sum()), 1e-9)
        instead = window - change * share / (end - begin)
    other = spend.copy()
    other[begin:end] = instead
    return other


def _contrast(test: Treatment, reference: FloatArray, factor: RealArray) -> FloatArray:
    """Return the summed difference of responses with and without the test's money."""
    window = slice(test.begin, test.end)
    day = factor[window][:, test.lines]
    out = np.empty((len(RETENTIONS), len(SHAPES), reference.size))
    for i, retention in enumerate(RETENTIONS):
        with_test = carried_spend(test.spend, retention)[window] / reference
        without_test = carried_spend(test.without, retention)[window] / reference
        for j, shape in enumerate(SHAPES):
            out[i, j] = (day * (shape.value(with_test) - shape.value(without_test))).sum(axis=0)
    return out
