"""Where the portfolio stands tonight: budgets in force, the day's money, lines under doubt."""

from __future__ import annotations

import calendar
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from pipeline.allocation.pacing import Pace, pace_day
from pipeline.core.history import History
from pipeline.core.money import round_money
from pipeline.core.types import BoolArray, FloatArray, Line
from pipeline.core.watch import Watch
from pipeline.io.facts import Facts
from pipeline.io.set_budgets import odd_budgets
from pipeline.runs.inputs import Inputs
from pipeline.runs.renames import renamed, with_new_names

MEAN_DAYS = 7
USUAL_DAYS = 56  # eight of each weekday
KEPT_EVERY = 3
"""Of the days before a break, one in so many still teaches; not a multiple of the week."""


def current_budgets(facts: Facts, inputs: Inputs) -> FloatArray:
    """Return every line's current budget, (n_lines,), in whole minor units.

    The last published plan, of a line that was renamed under its old name; for lines that it does
    not know, or before the first: the budget column of the newest day where it can be believed,
    else the mean spend of the last seven days that the line has had.

    Args:
        facts: with the likely spend where the source's is in doubt: what is not believed is not
            what is set either.
    """
    published = with_new_names(inputs.published_budgets(), renamed(facts, inputs))
    out = np.zeros(len(facts.lines))
    believed = believed_budgets(facts)
    for index, line in enumerate(facts.lines):
        if line in published:
            amount = published[line]
        elif believed[index]:
            amount = float(facts.budget[-1, index])
        else:
            amount = _mean_spend(facts.spend[:, index])
        out[index] = round_money(amount, inputs.policy.currency)
    return out


def believed_budgets(facts: Facts) -> BoolArray:
    """Return the lines whose newest budget is taken as what is set, (n_lines,).

    A zero is what is set where the column has told of more and nothing was spent: the line ended.
    """
    newest = facts.budget[-1]
    is_off = (newest == 0) & (facts.budget > 0).any(axis=0)
    return np.asarray(((newest > 0) | is_off) & ~odd_budgets(facts))


def _mean_spend(spend: FloatArray) -> float:
    """Return the mean of a line's last days; those before its first spend are not zero, but none.

    Args:
        spend: (n_days,).
    """
    had = spend[int(np.argmax(spend > 0)) :] if (spend > 0).any() else spend[:0]
    return float(had[-MEAN_DAYS:].mean()) if had.size else 0.0


def wanted_budget(facts: Facts, inputs: Inputs) -> float:
    """Return the money that the policy gives the day; a month's is paced over its days."""
    budget = inputs.policy.budget
    if budget.daily is not None:
        return round_money(budget.daily, inputs.policy.currency)
    pace = month_pace(facts, budget.monthly or 0.0, inputs.day)
    return round_money(pace.today, inputs.policy.currency)


def month_pace(facts: Facts, monthly: float, day: date) -> Pace:
    """Return how a month's money stands before `day`, and what it gives the day.

    What was spent is a fact; expected demand is what weekdays usually take. Past days that the
    facts do not reach count as spent as usual: nobody knows that they were free.

    Args:
        facts: with the likely spend where the source's is in doubt.
    """
    days = month_days(day)
    weights = usual_weights(facts, days)
    known = set(facts.days)
    unseen = np.array([d < day and d not in known for d in days])
    usual = float(facts.spend[-USUAL_DAYS:].sum(axis=1).mean())
    spent = float(spent_in_month(facts, day).sum()) + usual * float(weights[unseen].sum())
    return pace_day(monthly, spent, weights, day.day - 1)


def with_lines_without_data(
    history: History, current: FloatArray, inputs: Inputs, facts: Facts
) -> tuple[History, FloatArray]:
    """Return history and budgets with every line that has money in force, heard of or not.

    A line that left the data keeps its place, untrusted and hence held: its money would
    otherwise go to the others unseen. One that bears another name by now is there under that.
    """
    unseen = lines_without_data(facts, inputs)
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
        leads={
            name: replace(lead, table=padded(lead.table)) for name, lead in history.leads.items()
        },
    )
    return wide, np.append(current, [budgets[line] for line in unseen])[order]


def lines_without_data(facts: Facts, inputs: Inputs) -> list[Line]:
    """Return the lines that have money in force and no row, not even under another name, sorted."""
    budgets, names = inputs.published_budgets(), renamed(facts, inputs)
    gone = budgets.keys() - set(facts.lines) - names.keys()
    return sorted(line for line in gone if budgets[line] > 0)


def newest_distrusted(
    history: History, doubted: Collection[Line], former: Collection[Line] = ()
) -> BoolArray:
    """Return the lines whose newest data cannot be trusted, (n_lines,).

    Args:
        doubted: lines with a fault in their newest days; one that nothing is known of at all is
            distrusted as well.
        former: names that lines had once, which have no newest data.
    """
    found = np.array([line in doubted for line in history.lines], dtype=bool)
    is_former = np.array([line in former for line in history.lines], dtype=bool)
    return np.asarray((found | ~history.trusted.any(axis=0)) & ~is_former)


def month_days(day: date) -> list[date]:
    """Return every day of the month of `day`."""
    last = calendar.monthrange(day.year, day.month)[1]
    return [day.replace(day=number) for number in range(1, last + 1)]


def usual_weights(facts: Facts, days: Sequence[date]) -> FloatArray:
    """Return how much of the money days usually take, by their weekday; 1 is an average day."""
    totals = facts.spend.sum(axis=1)[-USUAL_DAYS:]
    weekdays = np.array([d.weekday() for d in facts.days[-USUAL_DAYS:]])
    overall = float(totals.mean()) or 1.0
    usual = np.array(
        [totals[weekdays == w].mean() / overall if (weekdays == w).any() else 1.0 for w in range(7)]
    )
    return np.array([usual[d.weekday()] for d in days]).clip(0.2)


def spent_in_month(facts: Facts, day: date) -> FloatArray:
    """Return what was spent on each past day of the month of `day`, the first day first."""
    inside = [i for i, d in enumerate(facts.days) if (d.year, d.month) == (day.year, day.month)]
    return np.asarray(facts.spend[inside].sum(axis=1))


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
