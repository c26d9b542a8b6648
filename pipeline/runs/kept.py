"""Lines that are out of the optimiser's hands tonight on purpose, each with its reason and its end.

Declared safe ground comes first, then running tests and standing holdouts, then the fixed rule for
lines with too little to learn from. A cap that finance approved still beats all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.history import History, LiftTest
from pipeline.core.policy import Policy
from pipeline.core.trial import Trial
from pipeline.core.types import FloatArray, Line

SAFE, TEST, HOLDOUT, LOW_DATA = "safe ground", "test", "holdout", "low data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Why a line's budget stays.

    Attributes:
        kind: `safe ground`, `test`, `holdout` or `low data`.
        why: as the plan's line says it.
        until: the last day of it; None where it has no known end.
    """

    kind: str
    why: str
    until: date | None = None


def kept_lines(
    policy: Policy, trials: Sequence[Trial], history: History, day: date
) -> dict[Line, Kept]:
    """Return every line that is kept on the plan's day, and why."""
    out = _low_data(policy, history, day)
    for line in history.lines:
        for reason in (_tested(policy, trials, line, day), _declared(policy, line, day)):
            if reason is not None:
                out[line] = reason
    return out


def fixed_on_purpose(policy: Policy, trials: Sequence[Trial], line: Line, day: date) -> bool:
    """Return whether people fixed a line for the day, whatever the data say."""
    return (_declared(policy, line, day) or _tested(policy, trials, line, day)) is not None


def evidence(
    trials: Sequence[Trial], known: Sequence[LiftTest], history: History, columns: tuple[str, ...]
) -> tuple[LiftTest, ...]:
    """Return what finished tests teach the curves, beside the tests that a file told of.

    A test that moved no money, or whose lines are not known, teaches no curve.

    Args:
        known: from `sources.experiments`; a test of the same name there is the same test.
    """
    names = {test.name for test in known}
    found = []
    for trial in trials:
        lines = tuple(line for line in history.lines if trial.treats(line, columns))
        result, last = trial.result, trial.last_day
        if result is None or last is None or not lines or trial.name in names:
            continue
        inside = history.days[0] <= trial.first_day and last <= history.days[-1]
        if result.spend_change == 0 or result.standard_error <= 0 or not inside:
            continue
        found.append(
            LiftTest(
                lines=lines,
                first_day=trial.first_day,
                last_day=last,
                lift=result.lift,
                standard_error=result.standard_error,
                spend_change=result.spend_change,
                name=trial.name,
                metric=trial.metric,
            )
        )
    return tuple(found)


def _declared(policy: Policy, line: Line, day: date) -> Kept | None:
    for ground in policy.safe_ground:
        if ground.holds(line, policy.line, day):
            return Kept(kind=SAFE, why=f"safe ground: {ground.because}", until=ground.ends(day))
    return None


def _tested(policy: Policy, trials: Sequence[Trial], line: Line, day: date) -> Kept | None:
    for trial in trials:
        if not trial.runs_on(day) or not trial.keeps(line, policy.line):
            continue
        if trial.kind == HOLDOUT:
            why = f"holdout {trial.name}: kept on the old plan, to measure what plans are worth"
            return Kept(kind=HOLDOUT, why=why, until=trial.last_day)
        why = f"test {trial.name} runs until {trial.last_day}"
        return Kept(kind=TEST, why=why, until=trial.last_day)
    return None


def _low_data(policy: Policy, history: History, day: date) -> dict[Line, Kept]:
    """Return the lines that have not yet earned learning, or lost it with their tracking."""
    need, days = policy.learning.min_outcomes, int(policy.learning.days)
    counted = policy.objective.counted(history.outcomes)
    if need <= 0 or history.measured is not None or counted not in history.outcomes:
        return {}
    recent = slice(-days, None)
    seen: FloatArray = np.where(history.trusted, history.outcomes[counted], 0.0)[recent].sum(axis=0)
    return {
        line: Kept(
            kind=LOW_DATA,
            why=f"the fixed rule: {seen[index]:g} {counted} in {days} days, {need:g} earn learning",
        )
        for index, line in enumerate(history.lines)
        if seen[index] < need
    }


def reasons_of(kept: Mapping[Line, Kept]) -> dict[Line, str]:
    """Return why each line stays, for its limits."""
    return {
        line: item.why
        + ("" if item.until is None or item.kind == TEST else f", until {item.until}")
        for line, item in kept.items()
    }
