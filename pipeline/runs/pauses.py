"""Lines that just came back or just ended, where that decides what their current budget is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.money import from_minor
from pipeline.core.types import FloatArray, Line, line_label
from pipeline.io.facts import Facts
from pipeline.io.verdict import named_lines
from pipeline.runs.inputs import Inputs
from pipeline.runs.renames import with_their_past
from pipeline.runs.rests import days_since_pause, days_stopped
from pipeline.runs.standing import MEAN_DAYS, believed_budgets, current_budgets

WEEK_DAYS, SATURDAY = 7, 5
GIVEN_UP = 0.5
"""Of what a line spent before its pause: a budget below it was taken down while it rested."""


def resumed(facts: Facts, inputs: Inputs) -> list[Finding]:
    """Return a finding for every line whose mean of seven days counts days of a pause.

    Before the first plan that mean is what its limits count from, and a line that has just come
    back spends more. A pause is longer than any that the line had in the four weeks before.

    Args:
        facts: as `current_budgets`.
    """
    current = current_budgets(facts, inputs)
    published = inputs.published_budgets()
    is_read = believed_budgets(facts) | np.array([line in published for line in facts.lines])
    found = []
    for index in np.flatnonzero(~is_read).tolist():
        days = days_since_pause(facts.spend[:, index])
        if not 0 < days < MEAN_DAYS:
            continue
        back, set_to = float(facts.spend[-days:, index].mean()), float(current[index])
        when = f"each of its last {days} days" if days > 1 else f"{facts.days[-1]}"
        found.append(
            Finding(
                level=Level.REVIEW,
                check="resumed",
                message=f"spend: {line_label(facts.lines[index])} spent {back:,.2f} a day on "
                f"{when}, after a pause; its current budget is taken as {set_to:,.2f}, the mean "
                f"of {MEAN_DAYS} days",
                advice="deliver a budget column with what is set, or have finance fix the line's "
                "budget until the pause is seven days ago",
                source="spend",
                column="budget",
                line=facts.lines[index],
                value=f"{set_to:.2f}",
            )
        )
    return found


def returned(facts: Facts, inputs: Inputs) -> list[Finding]:
    """Return a finding for every line that spends again after plans took its money away.

    For a week after a pause, where the budget in force is less than half of what it spent before.

    Args:
        facts: as `current_budgets`.
    """
    current, published = current_budgets(facts, inputs), inputs.published_budgets()
    found, spent = [], with_their_past(facts, inputs)
    for index, line in enumerate(facts.lines):
        spend = spent[:, index]
        days = days_since_pause(spend)
        if line not in published or not 0 < days <= MEAN_DAYS:
            continue
        last = int(np.flatnonzero(spend[:-days])[-1]) + 1
        before = float(spend[max(last - MEAN_DAYS, 0) : last].mean())
        if current[index] >= GIVEN_UP * before:
            continue
        found.append(
            Finding(
                level=Level.REVIEW,
                check="returned",
                message=f"spend: {line_label(line)} spends again since {facts.days[-days]}, after "
                f"{len(spend) - days - last} days without; it spent {before:,.2f} a day before, "
                f"its budget in force is {float(current[index]):,.2f}, and plans raise that by the "
                "daily limit at most",
                advice="if it is to have its money back at once, have finance fix its budget",
                source="spend",
                line=line,
                value=f"{float(current[index]):.2f}",
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A line that has money in force and does not spend it.

    Attributes:
        why: it is held, or cut, as the plan's line says it.
        is_off: whether it has ended, and its money goes down night by night.
    """

    why: str
    is_off: bool


def stopped_lines(facts: Facts, inputs: Inputs) -> dict[Line, Stopped]:
    """Return the lines that stopped spending the money that the plan in force gives them.

    A day without spend may be a fault, so such a line is held first; after a week, or where the
    budget column says 0, it has ended, and every night takes from it what the daily limit allows.
    A line that rests as it usually does, or on its first weekend without a 0, has not stopped, and
    of one whose daily limit is less than the smallest amount nothing is left to take.

    Args:
        facts: as `current_budgets`.
    """
    current = current_budgets(facts, inputs)
    is_told = believed_budgets(facts) & (facts.budget[-1] == 0)
    published = inputs.published_budgets()
    found, spent = {}, with_their_past(facts, inputs)
    for index, line in enumerate(facts.lines):
        days = days_stopped(spent[:, index])
        if line not in published or current[index] <= 0 or not days:
            continue
        if current[index] * inputs.policy.max_daily_change < from_minor(1, inputs.policy.currency):
            continue
        if not is_told[index] and _is_first_weekend(facts.days, spent[:, index], days):
            continue
        since, is_off = facts.days[-days], bool(is_told[index]) or days > MEAN_DAYS
        why = f"it has spent nothing since {since}"
        if is_off:
            why += ", so every night takes from it what the daily limit allows"
        found[line] = Stopped(why=why, is_off=is_off)
    return found


def _is_first_weekend(days: Sequence[date], spend: FloatArray, rest: int) -> bool:
    """Return whether a line that began within the week has not spent since Friday."""
    began = int(np.argmax(spend > 0))
    is_young = len(days) - rest - began < WEEK_DAYS
    return is_young and all(day.weekday() >= SATURDAY for day in days[-rest:])


def stopped_findings(stopped: Mapping[Line, Stopped], facts: Facts) -> list[Finding]:
    """Return a finding on the lines that are held, and one on those that ended.

    Of a line whose rows are missing the checks of the input speak, for as long as it is held.
    """
    lines = np.array([line in stopped for line in facts.lines])
    off = np.array([line in stopped and stopped[line].is_off for line in facts.lines])
    spoken = lines & ~off & facts.has_spend_row[-1]
    found = []
    for which, what in (
        (spoken, "their budgets are held"),
        (off, "taken as ended: every night takes from them what the daily limit allows"),
    ):
        if not which.any():
            continue
        found.append(
            Finding(
                level=Level.REVIEW,
                check="stopped",
                message=f"spend: {named_lines(facts, which)} spent nothing of the budget in force "
                f"on {facts.days[-1]}, which is not usual for them; {what}",
                advice="if they ended, have finance fix them at 0, which frees their money at "
                "once; if not, look why they do not spend",
                source="spend",
                column="spend",
                value=str(int(which.sum())),
            )
        )
    return found


def ended(facts: Facts, inputs: Inputs) -> list[Finding]:
    """Return findings on lines that spent within the week and stopped, before the first plan.

    Where the budget column says 0, a plan leaves them at 0, which whoever paused one by mistake
    must know. Where nothing says so, the mean of seven days gives them money that they do not ask
    for.

    Args:
        facts: as `current_budgets`.
    """
    published = inputs.published_budgets()
    unread = np.array([line not in published for line in facts.lines])
    rests = np.array([days_stopped(spend) for spend in facts.spend.T])
    stopped = unread & (rests > 0) & (rests < MEAN_DAYS)
    told = stopped & believed_budgets(facts) & (facts.budget[-1] == 0)
    guessed = stopped & ~believed_budgets(facts)
    found = []
    if told.any():
        found.append(
            Finding(
                level=Level.REVIEW,
                check="ended",
                message=f"spend: the budget of {named_lines(facts, told)} is 0 on "
                f"{facts.days[-1]}, after spend within the week; 0 is the current budget, and no "
                "plan starts a line from there",
                advice="if one was paused by mistake, set its budget and deliver it before the "
                "plan is signed, or have finance fix it",
                source="spend",
                column="budget",
                value=str(int(told.sum())),
            )
        )
    if guessed.any():
        amount = float(current_budgets(facts, inputs)[guessed].sum())
        found.append(
            Finding(
                level=Level.REVIEW,
                check="ended",
                message=f"spend: {named_lines(facts, guessed)} spent nothing on the last days; no "
                f"budget is told, so the mean of {MEAN_DAYS} days counts as what is set, "
                f"{amount:,.2f} in all, and a plan may give money to what has ended",
                advice="deliver a budget column with 0 for lines that ended, or have finance fix "
                "them at 0",
                source="spend",
                column="budget",
                value=str(int(guessed.sum())),
            )
        )
    return found
