"""Which lift tests can be evidence at all, and which of them say the same thing twice.

People type these numbers in. What cannot be teaches nothing and is named, or counts as the nearest
that can be; tests that measured the same money at the same time are not independent and share what
they say. Rules: docs/portfolio.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.history import History, LiftTest
from pipeline.core.types import FloatArray, line_label
from pipeline.response.experiments import covers
from pipeline.response.messages import FINEST
from pipeline.response.taught import Told

CHECK = "model.experiment"
SURE = 3.0
"""Standard errors that chance does not explain."""

FAR = 2.0
"""Standard errors between a test and the days from which on the signer is told."""

LATE_DAYS = 14
"""Outcomes of so many newest days may still come in."""

PERCENT, LEAST_LIFT, LEAST_ERROR = 100.0, 1e-3, 3e-5
"""The largest lift that may be a percentage, and the shares of what lines reported below which lift
and error show that it is one: no test measures that finely."""

ROUNDED = 1.01  # money that people rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What remains of lift tests.

    Attributes:
        tests: those that count, or lie outside the history; errors widened where tests overlap,
            and no effect where money is said to have done the opposite of what it can.
        findings: of the others, and of those that are not alone.
    """

    tests: tuple[LiftTest, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What history holds of a test's lines, summed over them.

    Attributes:
        money: in the window.
        most_money, outcome: the most in any window as long; and the outcome in this one, or the
            most where the window's is not in yet or would have been more; inf where unknown.
        is_attributed: whether that outcome is these lines' own.
    """

    money: float
    most_money: float
    outcome: float
    is_attributed: bool


def judge(history: History, metric: str, tests: Sequence[LiftTest], *, of_all: bool) -> Judged:
    """Return the tests that can teach the response of a metric, and what is wrong with the others.

    Args:
        history: of every line that a test treats.
        metric: that is fitted.
        tests: as people gave them; those of another metric are not for this fit.
        of_all: whether tests that count something else are named, once a night.
    """
    mine = [_with_digits(test) for test in tests if test.metric in {"", metric}]
    findings = _of_other_metrics(history, metric, tests) if of_all else []
    kept = list[LiftTest]()
    for test in mine:
        is_known = covers(history, test) and metric in history.metrics
        wrong = next(_wrong(test, _seen(history, metric, test)), None) if is_known else None
        if wrong is None:
            kept.append(test)
        else:
            said, advice = wrong
            findings.append(_finding(f"lift test {_title(test)} teaches nothing: {said}", advice))
    kept, repeated = _newest(kept)
    opposed = [_is_opposed(test) and covers(history, test) for test in kept]
    named = [_taken_as_none(test) for test, is_so in zip(kept, opposed, strict=True) if is_so]
    kept = [
        replace(test, lift=0.0) if is_so else test
        for test, is_so in zip(kept, opposed, strict=True)
    ]
    kept, shared = _overlapping(kept)
    return Judged(tests=tuple(kept), findings=(*findings, *repeated, *named, *shared))


def _with_digits(test: LiftTest) -> LiftTest:
    """Return the test with an error that digits can tell from none."""
    least = max(FINEST * abs(test.lift), FINEST**2)
    return replace(test, standard_error=max(test.standard_error, least))


def far_from_days(told: Sequence[Told]) -> tuple[Finding, ...]:
    """Return the tests that say something else than the days do; they are used all the same.

    Args:
        told: of every test, whole.
    """
    found = []
    for each in told:
        apart = abs(each.lift - each.expected) / math.sqrt(each.variance + each.doubt)
        if apart > FAR:
            found.append(
                _finding(
                    f"lift test {each.name} says {_both(each.lift, each.variance)} with its age, "
                    f"the days say {_both(each.expected, each.doubt)}: {apart:.1f} "
                    "standard errors apart; it is used",
                    "check lift, standard_error and spend_change, and what else changed then",
                )
            )
    return tuple(found)


def _of_other_metrics(history: History, metric: str, tests: Sequence[LiftTest]) -> list[Finding]:
    return [
        _finding(
            f"lift test {_title(test)} teaches nothing of {metric}: it counts {test.metric}"
            + ("" if test.metric in history.metrics else ", which outcomes do not hold"),
            f"give the lift in units of {metric}, or leave metric empty if it is",
        )
        for test in tests
        if test.metric not in {"", metric}
    ]


def _wrong(test: LiftTest, seen: _Seen) -> Iterator[tuple[str, str]]:
    """Yield what cannot be about a test, and what to do."""
    lift, error, change = test.lift, test.standard_error, test.spend_change
    measured = _both(lift, error**2)
    if change > ROUNDED * seen.money:
        yield (
            f"spend_change is {change:,.0f}, and all its lines spent {seen.money:,.0f} then",
            "give the money of the window, or the word all",
        )
    if -change > ROUNDED * seen.most_money:
        yield (
            f"it took away {-change:,.0f}, and its lines never spent more than "
            f"{seen.most_money:,.0f} in as many days",
            "check spend_change: what was spent less in the window, in all",
        )
    if not _is_opposed(test) and abs(lift) - SURE * error > seen.outcome:
        yield (
            f"its lift is {measured}, and its lines reported {seen.outcome:,.0f} in all",
            "check the unit of lift: the window's total, of the treated lines; lines that are "
            "credited with less than they cause need outcomes as a total",
        )
    is_small = seen.is_attributed and 0 < abs(lift) <= min(PERCENT, LEAST_LIFT * seen.outcome)
    if is_small and error < LEAST_ERROR * seen.outcome:
        yield (
            f"a lift of {lift:g} (+- {error:g}) where its lines reported {seen.outcome:,.0f} is "
            "a percentage",
            "give the amount in units of the metric",
        )


def _is_opposed(test: LiftTest) -> bool:
    """Return whether lift and money point in opposite directions by more than chance explains."""
    return test.lift * test.spend_change < 0 and abs(test.lift) > SURE * test.standard_error


def _taken_as_none(test: LiftTest) -> Finding:
    """Return what is said of a test whose money did the opposite of what money can do.

    Money that is spent earns nothing at worst, so that is what the test says however far it is
    beyond: were it left out, more evidence against a line would send money into it.
    """
    return _finding(
        f"lift test {_title(test)} is taken as no effect, 0 (+- {test.standard_error:,.0f}): "
        f"spend_change is {test.spend_change:+,.0f} and lift "
        f"{_both(test.lift, test.standard_error**2)}, in opposite directions by more than "
        f"{SURE:.0f} errors",
        "lift has the direction of the money: what was lost by a cut is negative",
    )


def _seen(history: History, metric: str, test: LiftTest) -> _Seen:
    index = {line: place for place, line in enumerate(history.lines)}
    lines = np.array([index[line] for line in test.lines])
    first = history.days[0]
    begin, end = (test.first_day - first).days, (test.last_day - first).days + 1
    spend, outcome = history.spend[:, lines].sum(axis=1), _outcome(history, metric, lines)
    is_whole = test.spend_change > 0 and end <= len(history.days) - LATE_DAYS
    in_window, most = float(outcome[begin:end].sum()), _most(outcome, end - begin)
    return _Seen(
        money=float(spend[begin:end].sum()),
        most_money=_most(spend, end - begin),
        outcome=in_window if is_whole else most,
        is_attributed=history.measured is None,
    )


def _outcome(history: History, metric: str, lines: np.ndarray) -> FloatArray:
    """Return what lines reported each day, (n_days,); cells that are not trusted are as usual."""
    if history.measured is None:
        table, trusted = history.outcomes[metric][:, lines], history.trusted[:, lines]
    else:
        units = np.unique(history.measured.unit_of(history.lines)[lines])
        units = units[units >= 0]
        if not units.size:  # said by the gate: a series without any row
            return np.full(len(history.days), np.inf)
        table = history.measured.outcomes[metric][:, units]
        trusted = history.measured.trusted[:, units]
    known = np.where(trusted & np.isfinite(table), table, np.nan)
    count = np.maximum(np.isfinite(known).sum(axis=0), 1)
    usual = np.nansum(known, axis=0) / count
    return np.asarray(np.where(np.isfinite(known), known, usual).sum(axis=1))


def _most(daily: FloatArray, n_days: int) -> float:
    """Return the highest sum of so many days in a row."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    return float((total[n_days:] - total[:-n_days]).max())


def _newest(tests: list[LiftTest]) -> tuple[list[LiftTest], list[Finding]]:
    """Return the tests of which each name is there once for a line and a day, the newest."""
    out, again = list[LiftTest](), dict[str, list[LiftTest]]()
    for test in sorted(tests, key=lambda test: test.last_day, reverse=True):
        mine = set(test.lines)
        if any(
            test.name == newer.name
            and mine & set(newer.lines)
            and max(test.first_day, newer.first_day) <= min(test.last_day, newer.last_day)
            for newer in out
        ):
            again.setdefault(test.name, []).append(test)
        else:
            out.append(test)
    findings = [
        _finding(
            f"lift test {name} is there {1 + len(older)} times for the same days and some "
            "of the same lines: only the newest counts",
            "give every test a name of its own, and each test one row",
        )
        for name, older in again.items()
    ]
    return [test for test in tests if test in out], findings


def _overlapping(tests: list[LiftTest]) -> tuple[list[LiftTest], list[Finding]]:
    """Return the tests with the variance of those that share lines and days times their number.

    Two that contradict each other are both doubted by as much more as they are apart.
    """
    factor, findings = np.ones(len(tests)), list[Finding]()
    for (i, one), (j, other) in combinations(enumerate(tests), 2):
        begin, end = max(one.first_day, other.first_day), min(one.last_day, other.last_day)
        lines = sorted(set(one.lines) & set(other.lines))
        if begin > end or not lines:
            continue
        factor[[i, j]] += 1
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        said = (
            f"lift tests {_title(one)} and {_title(other)} share {line_label(lines[0])}{more} "
            f"from {begin} to {end}"
        )
        if (apart := _apart(one, other)) > SURE:
            factor[[i, j]] *= apart**2
            said += f" and contradict each other by {apart:.0f} standard errors: both are doubted"
        else:
            said += ": they are not independent and count as one"
        findings.append(_finding(said, "keep the one that was better made"))
    wider = [
        replace(test, standard_error=test.standard_error * math.sqrt(times))
        for test, times in zip(tests, factor.tolist(), strict=True)
    ]
    return wider, findings


def _apart(one: LiftTest, other: LiftTest) -> float:
    """Return standard errors between tests that cannot both be right, 0 where they can.

    Of the same lines, lifts for each unit of money should agree; a part of lines should not have
    gained more than all of them.
    """
    if set(one.lines) == set(other.lines):
        return abs(_over(one, one.spend_change, other, other.spend_change))
    for part, whole in ((one, other), (other, one)):
        if set(part.lines) < set(whole.lines) and min(part.spend_change, whole.spend_change) > 0:
            return max(_over(part, 1.0, whole, 1.0), 0.0)
    return 0.0


def _over(one: LiftTest, unit: float, other: LiftTest, its_unit: float) -> float:
    """Return by how many standard errors one lift over its unit exceeds another over its own."""
    error = math.hypot(one.standard_error / unit, other.standard_error / its_unit)
    return (one.lift / unit - other.lift / its_unit) / error


def _title(test: LiftTest) -> str:
    return f"{test.name} ({test.first_day} to {test.last_day})"


def _both(mean: float, variance: float) -> str:
    return f"{mean:,.0f} (+- {math.sqrt(variance):,.0f})"


def _finding(message: str, advice: str) -> Finding:
    return Finding(level=Level.REVIEW, check=CHECK, message=message, advice=advice)
