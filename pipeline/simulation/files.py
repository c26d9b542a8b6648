"""A history as the CSV files that an advertiser would export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray

LINE_COLUMNS = ("channel", "audience")
COST_PER_THOUSAND, COST_PER_CLICK = 6.0, 0.9  # account currency, for the columns of colour


def spend_csv(history: History, budgets: FloatArray, currency: str) -> bytes:
    """Return the spend source: a row per day and line from the line's first spend on.

    Args:
        history: as reported.
        budgets: (n_days, n_lines), what was set.
        currency: ISO code, on every row.
    """

    def cells(day: int, line: int) -> Iterable[str]:
        spend = history.spend[day, line]
        clicks = int(spend / (COST_PER_CLICK * (1 + 0.07 * line)))
        impressions = max(int(spend / COST_PER_THOUSAND * 1000), clicks)
        return (
            f"{spend:.2f}",
            f"{budgets[day, line]:.2f}",
            currency,
            str(impressions),
            str(clicks),
        )

    return _csv(history, ("spend", "budget", "currency", "impressions", "clicks"), cells)


def outcomes_csv(history: History) -> bytes:
    """Return the outcomes source: conversions and revenue, as reported by now."""
    conversions, revenue = history.outcomes["conversions"], history.outcomes["revenue"]

    def cells(day: int, line: int) -> Iterable[str]:
        return (f"{conversions[day, line]:.0f}", f"{revenue[day, line]:.2f}")

    return _csv(history, ("conversions", "revenue"), cells)


def _csv(
    history: History, names: tuple[str, ...], cells: Callable[[int, int], Iterable[str]]
) -> bytes:
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(("date", *LINE_COLUMNS, *names))
    begun = np.argmax(history.spend > 0, axis=0)
    for day, when in enumerate(history.days):
        for line, path in enumerate(history.lines):
            if day >= begun[line]:
                writer.writerow((when.isoformat(), *path, *cells(day, line)))
    return sheet.getvalue().encode("utf-8")
