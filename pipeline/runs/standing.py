"""Where the portfolio stands tonight: budgets in force, the day's money, lines under doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.core.history import History
from pipeline.core.money import round_money
from pipeline.core.types import BoolArray, FloatArray
from pipeline.core.watch import Watch
from pipeline.io.facts import Facts
from pipeline.runs.inputs import Inputs

MEAN_DAYS = 7
KEPT_EVERY = 3
"""Of the days before a break, one in so many still teaches; not a multiple of the week."""


def current_budgets(facts: Facts, inputs: Inputs) -> FloatArray:
    """Return every line's current budget, (n_lines,), in whole minor units.

    The last published plan; for lines that it does not know, or before the first: the budget
    column of the newest day where there is one, else the mean spend of the last seven days.
    """
    published = inputs.published_budgets()
    out = np.zeros(len(facts.lines))
    recent = facts.spend[-MEAN_DAYS:].mean(axis=0)
    for index, line in enumerate(facts.lines):
        budget = facts.budget[-1, index]
        if line in published:
            amount = published[line]
        elif np.isfinite(budget) and budget > 0:
            amount = float(budget)
        else:
            amount = float(recent[index])
        out[index] = round_money(amount, inputs.policy.currency)
    return out


def wanted_budget(facts: Facts, inputs: Inputs) -> float:
    """Return the money that the policy gives the day; a month's is paced over its days."""
    budget = inputs.policy.budget
    if budget.daily is not None:
        return round_money(budget.daily, inputs.policy.currency)
    monthly = budget.monthly or 0.0
    return round_money(_paced(facts, inputs, monthly), inputs.policy.currency)


def with_lines_without_data(
    history: History, current: FloatArray, inputs: Inputs
) -> tuple[History, FloatArray]:
    """Return history and budgets with every line that has money in force, heard of or not.

    A line that left the data keeps its place, untrusted and hence held: its money would
    otherwise go to the others unseen.
    """
    unseen = inputs.lines_without_data(history.lines)
    if not unseen:
        return history, current
    lines = [*history.lines, *unseen]
    order = sorted(range(len(lines)), key=lines.__getitem__)
    n_days, budgets = len(history.days), inputs.published_budgets()

    def padded(table: FloatArray | BoolArray) -> FloatArray:
        return np.asarray(np.hstack([table, np.zeros((n_days, len(unseen)))])[:, order])

    wide = replace(
        history,
        lines=tuple(lines[index] for index in order),
        spend=padded(history.spend),
        outcomes={name: padded(table) for name, table in history.outcomes.items()},
        trusted=padded(history.trusted) > 0,
    )
    return wide, np.append(current, [budgets[line] for line in unseen])[order]


def newest_distrusted(history: History) -> BoolArray:
    """Return the lines whose newest day cannot be trusted, (n_lines,)."""
    return np.asarray(~history.trusted[-1])


def _paced(facts: Facts, inputs: Inputs, monthly: float) -> float:
    """Return the day's share of what is left of the month, by what weekdays usually spend."""
    import calendar

    day = inputs.day
    in_month = [i for i, d in enumerate(facts.days) if (d.year, d.month) == (day.year, day.month)]
    spent = float(facts.spend[in_month].sum())
    totals = facts.spend.sum(axis=1)[-56:]
    weekdays = np.array([d.weekday() for d in facts.days[-56:]])
    overall = float(totals.mean()) or 1.0
    usual = np.array(
        [totals[weekdays == w].mean() / overall if (weekdays == w).any() else 1.0 for w in range(7)]
    )
    last = calendar.monthrange(day.year, day.month)[1]
    left = [day.replace(day=d) for d in range(day.day, last + 1)]
    weights = np.array([usual[d.weekday()] for d in left]).clip(0.2)
    return max(monthly - spent, 0.0) * float(weights[0] / weights.sum())


def forgetting(history: History, watch: Watch) -> History:
    """Return the history in which days before a break teach less, line by line.

    Every third of those days still counts, so that what a line's past says fades at once to a
    third of its weight instead of over months; spend stays, for the carry-over.
    """
    breaks = {line: item.forget_before for line, item in watch.lines if item.forget_before}
    if not breaks:
        return history
    trusted = history.trusted.copy()
    for index, line in enumerate(history.lines):
        if line in breaks:
            old = max((breaks[line] - history.days[0]).days, 0)
            rows = np.arange(min(old, len(history.days)))
            trusted[rows[rows % KEPT_EVERY != 0], index] = False
    return replace(history, trusted=trusted)
