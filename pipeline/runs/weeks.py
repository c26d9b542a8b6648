"""Past weeks as points beside a response curve: what was spent and what it seems to earn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.history import History
from pipeline.core.types import FloatArray, Line
from pipeline.io.reports import PastWeeks

WEEK = 7
MOST_WEEKS = 20
LATE_DAYS = 7
"""The newest days are left out: their outcomes are still coming in."""


def past_weeks(history: History, table: ResponseTable) -> Mapping[Line, PastWeeks]:
    """Return each line's past weeks on the scale of its response curve.

    A week's outcome a day, divided by the ups and downs that the other lines shared that week,
    brought to tomorrow's level, less what comes without spend. It is a check on the curve by
    plain arithmetic, not what the curve was fitted to: the fit works on days and on the
    carry-over between them. Weeks of a line that were not trusted throughout are left out; all
    are, where the metric is known only in total.
    """
    outcome = history.outcomes.get(table.metric)
    n_weeks = min((len(history.days) - LATE_DAYS) // WEEK, MOST_WEEKS)
    if outcome is None or n_weeks < 2:
        return {}
    last = len(history.days) - LATE_DAYS
    rows = slice(last - n_weeks * WEEK, last)

    def weekly(daily: FloatArray) -> FloatArray:
        return np.asarray(daily[rows].reshape(n_weeks, WEEK, -1).mean(axis=1))

    spend, earned = weekly(history.spend), weekly(outcome)
    known = (weekly(history.trusted.astype(float)) > 1 - 1e-9) & np.isfinite(earned)
    usual = np.array([earned[known[:, i], i].mean() if known[:, i].any() else 0.0
                      for i in range(earned.shape[1])])  # fmt: skip
    filled = np.where(known, earned, usual)
    place = {line: index for index, line in enumerate(history.lines)}
    at = [place[line] for line in table.lines if line in place]
    level = table.at(_row(table, spend.mean(axis=0), place)) + table.organic
    total = float(usual[at].sum())
    scale = float(level.mean(axis=0).sum()) / total if total > 0 else 1.0
    days = tuple(history.days[rows][::WEEK])
    out = {}
    for index, line in enumerate(table.lines):
        column = place.get(line)
        if column is None or not known[:, column].any():
            continue
        keep = np.flatnonzero(known[:, column])
        value = scale * earned[keep, column] / _common(filled, column)[keep]
        value -= table.organic[:, index].mean()
        out[line] = PastWeeks(
            first_day=tuple(days[row] for row in keep),
            spend=tuple(spend[keep, column].tolist()),
            value=tuple(value.tolist()),
        )
    return out


def _common(earned: FloatArray, column: int) -> FloatArray:
    """Return how high each week was for all other lines together, (n_weeks,), 1 on average."""
    others = earned.sum(axis=1) - earned[:, column]
    mean = float(others.mean())
    return np.asarray(others / mean).clip(0.1) if mean > 0 else np.ones(others.size)


def _row(table: ResponseTable, values: FloatArray, place: Mapping[Line, int]) -> FloatArray:
    return np.array([values[place[line]] if line in place else 0.0 for line in table.lines])
