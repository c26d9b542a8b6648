"""Lines that go on under another name: their budget goes with them and is not paid twice."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import FloatArray, Line, line_label
from pipeline.io.facts import Facts
from pipeline.io.gate import RENAMED
from pipeline.runs.inputs import Inputs
from pipeline.runs.rests import days_stopped

APART_DAYS = 2  # between the last day of one name and the first of the other, or that both have
MEAN_DAYS = 7


def renamed(facts: Facts, inputs: Inputs) -> dict[Line, Line]:
    """Return the new name of every line in force that bears another one now.

    A line is taken as renamed where a name that has nothing of the plan in force, or is younger
    than a week, spends about what that plan gave an old one, and either began about when the old
    one stopped, or has days from before that plan while the old one has no row any more. A name
    that was there before begins anew after a rest of more than a week, or of a day where the plan
    gives it 0. Whoever moved the money by hand from one line to such a one left things alike, and
    the same is right then: it is there and not here.
    """
    published, plan = inputs.published_budgets(), inputs.published
    if plan is None or not published:
        return {}
    place = {line: index for index, line in enumerate(facts.lines)}
    told = np.where(facts.has_spend_row, facts.spend, 0.0)  # a name that is gone has no rows
    first = {}
    for line, index in place.items():
        if told[-1, index] > 0:
            has_none = published.get(line, 0.0) <= 0
            began = _begin(told[:, index], 0 if has_none and line in published else MEAN_DAYS)
            if has_none or began > len(facts.days) - MEAN_DAYS:
                first[line] = began
    pairs = []
    for old, amount in published.items():
        days = days_stopped(told[:, place[old]]) if old in place else 0
        if amount <= 0 or (old in place and not days):
            continue
        for new, began in first.items():
            if old in place:
                is_next = abs(began - (len(facts.days) - days)) <= APART_DAYS
            else:
                is_next = facts.days[began] < plan.date
            spent = float(facts.spend[max(began, len(facts.days) - MEAN_DAYS) :, place[new]].mean())
            away = abs(math.log(spent / amount))
            if is_next and away <= math.log(RENAMED):
                pairs.append((not set(old) & set(new), away, old, new))
    found: dict[Line, Line] = {}
    for _, _, old, new in sorted(pairs):
        if old not in found and new not in found.values():
            found[old] = new
    return found


def _begin(spend: FloatArray, rest: int) -> int:
    """Return on which day a line began, after its last rest of more than `rest` days if any."""
    days = np.flatnonzero(spend > 0)
    breaks = np.flatnonzero(np.diff(days) > rest + 1)
    return int(days[breaks[-1] + 1] if breaks.size else days[0])


def with_new_names(budgets: Mapping[Line, float], names: Mapping[Line, Line]) -> dict[Line, float]:
    """Return what is in force with every budget under its new name; a new name keeps its own."""
    out = dict(budgets)
    for old, new in names.items():
        out[new], out[old] = out.get(new, 0.0) or out[old], 0.0
    return out


def rename_findings(names: Mapping[Line, Line], inputs: Inputs) -> list[Finding]:
    """Return a finding for every line that is taken as renamed."""
    budgets = inputs.published_budgets()
    now = with_new_names(budgets, names)
    return [
        Finding(
            level=Level.REVIEW,
            check="renamed",
            message=f"spend: {line_label(old)} has stopped, and {line_label(new)}, which "
            + ("began then" if budgets.get(new) else "has nothing of the plan in force")
            + ", spends about as much: taken as the same line, whose "
            f"budget is {now[new]:,.2f}; {line_label(old)} gets none",
            advice="if it was not renamed, refuse the plan, and have finance fix the budgets of "
            "both lines",
            source="spend",
            line=new,
            value=line_label(old),
        )
        for old, new in sorted(names.items())
    ]
