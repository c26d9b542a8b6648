"""The series that are watched: delivery, prices, tracking and response of every line.

Ratios and logs, freed of what all lines share that day, so that a season, a sale or a change of the
whole portfolio's money is no alarm, and neither is a budget that a plan moved on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray

WATCHED_DAYS = 150
LEAST_COMPLETE = 0.6
MOST_DOUBT = 0.15
"""Of log completeness: beyond, outcomes that are merely late look like a broken tracker. So much is
news of all lines together. Until nights have seen outcomes arrive, days of three weeks ago are
sure."""

LEAST_DAYS = 42
LEAST_KNOWN = 0.6  # of the days: a series with more gaps is not watched
USUAL_ELASTICITY = 0.5  # of outcomes to spend, only to free the response of moved budgets
SLOPE_DAYS = 14.0
SHARED_LINES = 4  # from so many lines on, what they share is taken out

PORTFOLIO = -1
"""Index of the portfolio as a whole among lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is watched, over the last `WATCHED_DAYS`; all tables are (n_days, n_lines).

    Attributes:
        budget, impressions, clicks: NaN where the sources do not say.
        conversions, outcome: as reported; `complete` is the share that is thought to be reported,
            and `doubt`, (n_days,), the standard deviation of its log that all lines share.
    """

    spend: FloatArray
    budget: FloatArray
    impressions: FloatArray
    clicks: FloatArray
    conversions: FloatArray
    outcome: FloatArray
    complete: FloatArray
    doubt: FloatArray
    trusted: BoolArray

    @property
    def reported(self) -> BoolArray:
        """Where so much is known to be reported that the rest tells no tracker's fault."""
        is_sure = self.doubt <= MOST_DOUBT
        return np.asarray(self.trusted & (self.complete >= LEAST_COMPLETE) & is_sure[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Series ready for the chart; column `i` is `kind[i]` of the line `line[i]`.

    `PORTFOLIO` instead of a line's index is the portfolio as a whole.

    Attributes:
        money: (n_days, n_lines), log spend, NaN on days without.
    """

    series: FloatArray
    kind: tuple[str, ...]
    line: tuple[int, ...]
    money: FloatArray


def watched_series(
    seen: Seen, residuals: FloatArray | None = None, whole: FloatArray | None = None
) -> Watched:
    """Return every series that has enough days to be watched.

    Args:
        seen: the inputs.
        residuals: (n_days, n_lines), surprises of past forecasts of the same days, NaN where
            there was none.
        whole: (n_days,), the same of the portfolio's total, where lines have no outcomes.
    """
    tables: dict[str, FloatArray] = {
        "delivery": _log_ratio(seen.spend, seen.budget, seen.trusted),
        "cpc": _log_ratio(seen.spend, seen.clicks, seen.trusted),
        "cpm": _log_ratio(seen.spend, seen.impressions, seen.trusted),
        "tracking": _counts_ratio(seen),
        "response": _response(seen),
    }
    if residuals is not None:
        tables["residual"] = residuals
    freed = {name: _freed(table) for name, table in tables.items()}
    # What all lines share is taken out above, so a tracker that breaks for all is watched apart.
    wholes = {"tracking": _freed(_common(tables["tracking"])[:, None])}
    if whole is not None:
        wholes["residual"] = _freed(whole[:, None])
    money = np.log(np.where(seen.spend > 0, seen.spend, np.nan))
    return _stacked(freed, wholes, money)


def _log_ratio(top: FloatArray, bottom: FloatArray, trusted: BoolArray) -> FloatArray:
    usable = trusted & (top > 0) & (bottom > 0)
    ratio = np.where(usable, top, 1.0) / np.where(usable, bottom, 1.0)
    return np.where(usable, np.log(ratio), np.nan)


def _counts_ratio(seen: Seen) -> FloatArray:
    """Return log conversions per click, completed, steadied where counts are small."""
    usual = np.nansum(seen.conversions, axis=0) / np.maximum(np.nansum(seen.clicks, axis=0), 1e-9)
    usable = seen.reported & (seen.clicks > 0) & (usual > 0)
    clicks = np.where(usable, seen.clicks, 1.0)
    top = np.where(usable, seen.conversions / seen.complete, 0.0) + 2
    ratio = np.where(usable, np.log(top / (clicks * usual + 2)), np.nan)
    return _without_own_money(ratio, seen.spend, usable, expected=USUAL_ELASTICITY - 1)


def _response(seen: Seen) -> FloatArray:
    """Return the log outcome, completed, less what usual elasticity makes of spend."""
    usable = seen.reported & (seen.spend > 0)
    outcome = np.where(usable, seen.outcome / np.maximum(seen.complete, 1e-9), np.nan)
    known = np.where(usable, outcome, 0.0)
    seen_days = np.maximum(np.isfinite(known).sum(axis=0), 1)  # no day where nobody knows the line
    usual = np.nan_to_num(known).sum(axis=0) / seen_days + 1e-9
    level = np.log(np.where(usable, outcome, usual) + 0.25 * usual)
    level = np.where(usable, level, np.nan)
    return _without_own_money(level, seen.spend, usable, expected=USUAL_ELASTICITY)


def _without_own_money(
    table: FloatArray, spend: FloatArray, usable: BoolArray, *, expected: float
) -> FloatArray:
    """Return the logs less what each line's own spend makes of them.

    A slope per line by least squares, drawn to the `expected` one as if `SLOPE_DAYS` days of a
    half-again budget had shown that.
    """
    known = usable & np.isfinite(table) & (spend > 0)
    money = np.log(np.where(known, spend, 1.0))
    days = np.maximum(known.sum(axis=0), 1)
    away = np.where(known, money - np.where(known, money, 0.0).sum(axis=0) / days, 0.0)
    rest = np.where(known, table, 0.0)
    rest = np.where(known, rest - rest.sum(axis=0) / days, 0.0)
    weight = SLOPE_DAYS * np.log(1.5) ** 2
    slope = ((away * rest).sum(axis=0) + weight * expected) / ((away**2).sum(axis=0) + weight)
    return np.where(known, table - slope * away, np.nan)


def _freed(table: FloatArray) -> FloatArray:
    """Return the table without what lines share that day and without weekdays."""
    known = np.isfinite(table)
    out = table.copy()
    common = _common(table)
    out = out - np.where(np.isfinite(common), common, 0.0)[:, None]
    for weekday in range(7):
        rows = out[weekday::7]
        if known[weekday::7].any():
            out[weekday::7] = rows - np.nan_to_num(_median(rows, axis=0))
    return np.where(known, out, np.nan)


def _common(table: FloatArray) -> FloatArray:
    """Return what most lines share each day, NaN where they are too few to tell, (n_days,)."""
    if table.shape[1] < SHARED_LINES:
        return np.full(table.shape[0], np.nan)
    return _median(table - _median(table, axis=0), axis=1)


def _median(table: FloatArray, axis: int) -> FloatArray:
    """Return the median of what is known, NaN where nothing is."""
    known = np.isfinite(table)
    filled = np.where(known.any(axis=axis, keepdims=True), table, 0.0)
    middle = np.nanmedian(filled, axis=axis)
    return np.where(known.any(axis=axis), middle, np.nan)


def _stacked(
    tables: Mapping[str, FloatArray], wholes: Mapping[str, FloatArray], money: FloatArray
) -> Watched:
    columns, kinds, lines = [], [], []
    n_days = next(iter(tables.values())).shape[0]
    parts = [(kind, table, 0) for kind, table in tables.items()]
    parts += [(kind, table, PORTFOLIO) for kind, table in wholes.items()]
    for kind, table, first in parts:
        known = np.isfinite(table)
        begun = np.cumsum(known, axis=0) > 0
        enough = known.sum(axis=0) >= np.maximum(LEAST_DAYS, LEAST_KNOWN * begun.sum(axis=0))
        moving = np.nanmax(np.where(known, table, -np.inf), axis=0) > np.nanmin(
            np.where(known, table, np.inf), axis=0
        )
        for line in np.flatnonzero(enough & moving).tolist():
            columns.append(table[:, line])
            kinds.append(kind)
            lines.append(line + first)
    series = np.stack(columns, axis=1) if columns else np.empty((n_days, 0))
    return Watched(series=series, kind=tuple(kinds), line=tuple(lines), money=money)
