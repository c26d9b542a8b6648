"""Lines that just came back or just ended, where that decides what their current budget is."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import FloatArray, line_label
from pipeline.io.facts import Facts
from pipeline.io.verdict import named_lines
from pipeline.runs.inputs import Inputs
from pipeline.runs.standing import MEAN_DAYS, believed_budgets, current_budgets

PATTERN_DAYS = 28  # in which a line that rests on weekends has shown it


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
        days = _days_since_pause(facts.spend[:, index])
        if not days:
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


def _days_since_pause(spend: FloatArray) -> int:
    """Return on how many newest days a line has spent since a pause of late, 0 without one."""
    runs = [(is_on, len(list(run))) for is_on, run in groupby((spend > 0).tolist())]
    if len(runs) < 3 or not runs[-1][0] or runs[-1][1] >= MEAN_DAYS:
        return 0  # not heard of before, silent now, or back for a week
    days, pause = runs[-1][1], runs[-2][1]
    return days if pause > _usual_rest(spend[: -days - pause]) else 0


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
    stopped = unread & np.array([_days_stopped(spend) > 0 for spend in facts.spend.T])
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


def _days_stopped(spend: FloatArray) -> int:
    """Return on how many newest days a line has not spent, 0 where that is usual or long ago."""
    runs = [(is_on, len(list(run))) for is_on, run in groupby((spend > 0).tolist())]
    if len(runs) < 2 or runs[-1][0] or runs[-1][1] >= MEAN_DAYS:
        return 0
    days = runs[-1][1]
    return days if days > _usual_rest(spend[:-days]) else 0


def _usual_rest(before: FloatArray) -> int:
    """Return the longest rest of a line in the four weeks that end with these days."""
    lately = (before > 0)[-PATTERN_DAYS:].tolist()
    return max((len(list(run)) for is_on, run in groupby(lately) if not is_on), default=0)
