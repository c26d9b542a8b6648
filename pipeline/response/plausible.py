"""Which lift tests can be evidence at all, and which of them say the same thing twice.

People type these numbers in. What cannot be teaches nothing and is named, an error that no test can
have counts as what chance does; tests that measured the same money at the same time are not
independent and share what they say. Rules: docs/portfolio.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.history import History, LiftTest
from pipeline.core.types import line_label
from pipeline.response.experiments import covers
from pipeline.response.messages import FINEST
from pipeline.response.seen import Seen, seen
from pipeline.response.taught import Told

CHECK = "model.experiment"
SURE = 3.0
"""Standard errors that chance does not explain."""

FAR = 2.0
"""Standard errors between a test and the days from which on the signer is told."""

ROUNDED = 1.01  # money that people rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What remains of lift tests.

    Attributes:
        tests: those that count, or lie outside the history; errors widened where no test measures
            as finely, and where tests overlap.
        findings: of the others, and of those whose error is another.
    """

    tests: tuple[LiftTest, ...]
    findings: tuple[Finding, ...] = ()


def judge(history: History, metric: str, tests: Sequence[LiftTest], *, of_all: bool) -> Judged:
    """Return the tests that can teach the response of a metric, and what is wrong with the others.

    Args:
        history: of every line that a test treats.
        metric: that is fitted.
        tests: as people gave them; those of another metric are not for this fit.
        of_all: whether tests that count something else are named, once a night.
    """
    mine = [test for test in tests if test.metric in {"", metric}]
    findings = _of_other_metrics(history, metric, tests) if of_all else []
    kept, doubted = list[LiftTest](), list[tuple[LiftTest, Finding]]()
    for test in mine:
        if not (covers(history, test) and metric in history.metrics):
            kept.append(_with_digits(test))
            continue
        about = seen(history, metric, test)
        wrong = next(_wrong(test, about, metric), None)
        if wrong is not None:
            said, advice = wrong
            findings.append(_finding(f"lift test {_title(test)} teaches nothing: {said}", advice))
            continue
        kept.append(_with_digits(_with_chance(test, about)))
        if _is_too_fine(test, about):
            doubted.append((kept[-1], _too_fine(test, about)))
    kept, repeated = _newest(kept)
    findings += [finding for test, finding in doubted if test in kept]
    kept, shared = _overlapping(kept)
    return Judged(tests=tuple(kept), findings=(*findings, *repeated, *shared))


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


def _wrong(test: LiftTest, about: Seen, metric: str) -> Iterator[tuple[str, str]]:
    """Yield what cannot be about a test, and what to do."""
    lift, error, change = test.lift, _with_chance(test, about).standard_error, test.spend_change
    measured = _both(lift, error**2)
    if change > ROUNDED * about.money:
        yield (
            f"spend_change is {change:,.0f}, and all its lines spent {about.money:,.0f} then",
            "give the money of the window, or the word all",
        )
    if -change > ROUNDED * about.most_money:
        yield (
            f"it took away {-change:,.0f}, and its lines never spent more than "
            f"{about.most_money:,.0f} in as many days",
            "check spend_change: what was spent less in the window, in all",
        )
    if _is_too_fine(test, about) and abs(lift) <= about.scatter:
        yield (
            f"a lift of {lift:g} (+- {test.standard_error:g}) is finer than any test measures: "
            f"chance alone makes {about.scatter:,.0f} of {metric} more or less in as many days",
            f"give the whole window's lift and error in units of {metric}: no percentage, no "
            "return on spend, no thousands, no day's amount",
        )
    if lift * change < 0 and abs(lift) > SURE * error:
        yield (
            f"spend_change is {change:+,.0f} and lift {measured}, in opposite directions by more "
            f"than {SURE:.0f} errors",
            "check the sign of both: lift has the direction of the money, what was lost by a cut "
            "is negative",
        )
    if abs(lift) - SURE * error > about.outcome:
        yield (
            f"its lift is {measured}, and {about.outcome:,.0f} of {metric} came in all",
            "check the unit of lift: the window's total, of the treated lines",
        )


def _is_too_fine(test: LiftTest, about: Seen) -> bool:
    """Return whether no test can have measured with that error."""
    return test.standard_error < about.finest


def _with_chance(test: LiftTest, about: Seen) -> LiftTest:
    """Return the test with what as many days scatter for an error that cannot be one."""
    return replace(test, standard_error=about.scatter) if _is_too_fine(test, about) else test


def _too_fine(test: LiftTest, about: Seen) -> Finding:
    return _finding(
        f"lift test {_title(test)} gives {test.lift:,.0f} with an error of "
        f"{test.standard_error:g}, finer than any test measures: it is used with "
        f"{about.scatter:,.0f}, what chance alone makes in as many days",
        "give the standard error of lift, in the same unit: no p-value and no percentage",
    )


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
