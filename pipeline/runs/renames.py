"""Lines that go on under another name: budget and past go with them, and nothing is paid twice."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.history import under_names_now, unit_name
from pipeline.core.policy import measured_levels
from pipeline.core.types import FloatArray, Line, line_label
from pipeline.io.facts import Facts
from pipeline.io.gate import RENAMED
from pipeline.runs.inputs import Inputs
from pipeline.runs.rests import days_stopped

APART_DAYS = 2  # between the last day of one name and the first of the other, or that both have
MEAN_DAYS = 7
TRACE = 0.05  # of a line's money, under another of its names
NAME_WEIGHT = 2.0  # of how unlike two names are, beside the logarithm of what lies between moneys


def renamed(facts: Facts, inputs: Inputs) -> dict[Line, Line]:
    """Return the new name of every line in force that bears another one now.

    A line is taken as renamed where a name that has nothing of the plan in force, or is younger
    than a week, spends about what that plan gave an old one, or what that one spent, and either
    began about when the old one stopped, or has days from before that plan while the old one has
    no row any more. A name that was there before begins anew after a rest of more than a week, or
    of a day where the plan gives it 0. Whoever moved the money by hand from one line to such a one
    left things alike, and the same is right then: it is there and not here. Of lines that were
    renamed together and spend alike, names that are alike belong together. Two lines that finance
    fixed are two lines, and a name that has the budget of a renamed line takes no other.
    """
    published, plan = inputs.published_budgets(), inputs.published
    if plan is None or not published:
        return {}
    place = {line: index for index, line in enumerate(facts.lines)}
    told = np.where(facts.has_spend_row, facts.spend, 0.0)  # a name that is gone has no rows
    taken = {new for new in inputs.known_names().values() if published.get(new, 0.0) > 0}
    first = {}
    for line, index in place.items():
        if told[-1, index] > 0 and line not in taken:
            has_none = published.get(line, 0.0) <= 0
            began = _begin(told[:, index], 0 if has_none and line in published else MEAN_DAYS)
            if has_none or began > len(facts.days) - MEAN_DAYS:
                newest = facts.spend[max(began, len(facts.days) - MEAN_DAYS) :, index]
                first[line] = began, math.log(float(newest.mean()))
    pairs = []
    for old, amount in published.items():
        days = days_stopped(told[:, place[old]]) if old in place else 0
        if amount <= 0 or (old in place and not days):
            continue
        usual = [amount, *_last_week(told[:, place[old]], days)] if days else [amount]
        usual = [math.log(money) for money in usual]
        for new, (began, spent) in first.items():
            if old in place:
                is_next = abs(began - (len(facts.days) - days)) <= APART_DAYS
            else:
                is_next = facts.days[began] < plan.date
            away = min(abs(spent - money) for money in usual)
            if is_next and away <= math.log(RENAMED) and not _are_fixed(old, new, inputs):
                pairs.append((not set(old) & set(new), away + _unlike(old, new), old, new))
    found: dict[Line, Line] = {}
    given: set[Line] = set()
    for _, _, old, new in sorted(pairs):
        if old not in found and new not in given:
            found[old] = new
            given.add(new)
    return found


def one_line(facts: Facts, inputs: Inputs) -> dict[Line, Line]:
    """Return the name now of every line that had another one, which teaches with its past.

    Those that the plan in force was signed with, and those that are taken as renamed tonight. Where
    two names spent beside each other, again or ever, they are not one line, or the days of both
    would add up; a trace of money, as from late corrections, does not count. A line that went into
    another group of those that outcomes are known by is none: its past is in the outcome of the
    group that it left.
    """
    levels = measured_levels(inputs.policy)
    names = inputs.known_names()
    for old, new in renamed(facts, inputs).items():
        names.pop(new, None)
        names = {former: new if now == old else now for former, now in names.items()}
        names[old] = new
    place = {line: index for index, line in enumerate(facts.lines)}
    spent = np.where(facts.has_spend_row, facts.spend, 0.0)
    found = {}
    for old, new in names.items():
        if old not in place or new not in place or _are_fixed(old, new, inputs):
            continue
        if levels is not None and unit_name(old, levels) != unit_name(new, levels):
            continue
        if _days_beside(spent[:, place[old]], spent[:, place[new]]) <= APART_DAYS:
            found[old] = new
            spent[:, place[new]] += spent[:, place[old]]
    return dict(sorted(found.items()))


def _days_beside(old: FloatArray, new: FloatArray) -> int:
    return int((np.minimum(old, new) > TRACE * np.maximum(old, new)).sum())


def with_their_past(facts: Facts, inputs: Inputs) -> FloatArray:
    """Return what lines spent, (n_days, n_lines), with the past that is under a former name."""
    return under_names_now(facts.spend, facts.lines, one_line(facts, inputs))


def _are_fixed(old: Line, new: Line, inputs: Inputs) -> bool:
    """Return whether finance fixed a budget of each of two lines by itself."""
    scopes = [cap.scope for cap in inputs.caps if cap.fixed is not None]
    return all(dict(zip(inputs.policy.line, line, strict=True)) in scopes for line in (old, new))


def _unlike(old: Line, new: Line) -> float:
    """Return how unlike two names are where they differ: it tells more than a day's money."""
    return NAME_WEIGHT * sum(1.0 - _alike(*pair) for pair in zip(old, new, strict=True))


@lru_cache(maxsize=100_000)
def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _last_week(spend: FloatArray, days: int) -> list[float]:
    """Return what a line spent before it stopped, which is not always what it was given."""
    last = spend[-days - MEAN_DAYS : -days]
    return [float(last[last > 0].mean())] if (last > 0).any() else []


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


def rename_findings(facts: Facts, inputs: Inputs) -> list[Finding]:
    """Return a finding for every line that is taken as renamed."""
    names, taught = renamed(facts, inputs), one_line(facts, inputs)
    budgets = inputs.published_budgets()
    now = with_new_names(budgets, names)
    return [
        Finding(
            level=Level.REVIEW,
            check="renamed",
            message=f"spend: {line_label(old)} has stopped, and {line_label(new)}, which "
            + ("began then" if budgets.get(new) else "has nothing of the plan in force")
            + ", spends about as much: taken as the same line, whose "
            f"budget is {now[new]:,.2f}"
            # Elsewhere the source has its past under the new name already, or of another group.
            + (" and whose past teaches its curve" if old in taught else "")
            + f"; a new plan gives {line_label(old)} none",
            advice="if it was not renamed, refuse the plan, and have finance fix the budgets of "
            "both lines",
            source="spend",
            line=new,
            value=line_label(old),
        )
        for old, new in sorted(names.items())
    ]
