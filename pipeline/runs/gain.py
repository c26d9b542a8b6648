"""What published plans earned and missed: ratios from curves, the size of days from outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.history import under_names_now
from pipeline.core.types import BoolArray, FloatArray, JsonObject, Line
from pipeline.response.lived import compare
from pipeline.runs.followed import follow
from pipeline.scoring.scores import EARLY, Promised, Realised
from pipeline.scoring.value import Gain, Worth, gain_of

if TYPE_CHECKING:
    from pipeline.response.predict import Predictive


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What plans were worth.

    Attributes:
        gain: over all days since the first published plan; None where none was published.
        otherwise: money that was spent otherwise than published plans said, as a share of theirs.
        worths: plan by plan, the oldest first.
    """

    gain: Gain | None = None
    otherwise: float = 0.0
    worths: tuple[Worth, ...] = ()

    @property
    def published(self) -> tuple[Worth, ...]:
        """Published plans whose day is known."""
        return tuple(item for item in self.worths if item.is_published)

    @property
    def unsigned(self) -> tuple[Worth, ...]:
        """Plans whose day is known and that nobody published."""
        return tuple(item for item in self.worths if not item.is_published)

    @property
    def missed(self) -> float:
        """Lost because published plans were not spent as planned; negative where that paid."""
        return sum(item.missed for item in self.published)

    @property
    def missed_unsigned(self) -> float:
        """What plans that were not published would have brought beyond what was spent."""
        return sum(item.missed for item in self.unsigned)

    def to_json(self) -> JsonObject:
        """Return totals as plain JSON values; what is not known is null."""
        gain = self.gain
        return {
            "plans": len(self.published),
            "first_day": None if gain is None else gain.first_day.isoformat(),
            "days": 0 if gain is None else gain.days,
            "gain": None if gain is None else gain.gain,
            "gain_p05": None if gain is None else gain.low,
            "gain_p95": None if gain is None else gain.high,
            "is_told": gain is not None and gain.is_told,
            "money": None if gain is None else gain.money,
            "otherwise": self.otherwise,
            "missed_by_delivery": self.missed,
            "missed_unsigned": self.missed_unsigned,
        }


def judge(ahead: Predictive, promises: Sequence[Promised], realised: Realised) -> Judged:
    """Return what plans were worth against the budgets as they were without the plans' moves.

    Only what a plan moved counts, as far as it was moved: a budget that people changed, a line that
    they began or ended, is in both.

    Args:
        ahead: draws of the curves as known by now.
        promises: of past plans, one a day, the oldest first.
        realised: what came; `spend` as the curves read it.
    """
    end = _last_known(realised)
    known = set(realised.days[:end])
    promises = [item for item in promises if item.forecast.day in known]
    published = [item for item in promises if item.is_published]
    if not promises:
        return Judged()
    begin = (published or promises)[0]
    promises = [item for item in promises if item.forecast.day >= begin.forecast.day]
    first = realised.days.index(begin.forecast.day)
    table = _ordered(realised, ahead.lines, end)
    outcome = _filled(table, first)
    kept = follow(table, first, published)
    over_none, over_moved = (
        compare(ahead, table.spend, np.concatenate([table.spend[:first], money]), outcome, first)
        for money in (kept.without, kept.moved)
    )
    gained = over_none.days - over_moved.days
    missed = np.zeros(outcome.shape[0])
    for plans in (published, [item for item in promises if not item.is_published]):
        missed += _missed(ahead, table, outcome, first, plans)
    gain = gain_of(
        over_none.draws - over_moved.draws,
        first_day=begin.forecast.day,
        days=end - first,
        money=float(kept.moved.sum()) / max(float(kept.without.sum()), 1e-9) - 1,
    )
    rows = [(item, table.days.index(item.forecast.day) - first) for item in promises]
    return Judged(
        gain=gain if published else None,
        otherwise=kept.otherwise if published else 0.0,
        worths=tuple(
            Worth(
                plan_id=item.plan_id,
                day=item.forecast.day,
                is_published=item.is_published,
                gain=float(gained[row]),
                missed=float(missed[row]),
            )
            for item, row in rows
        ),
    )


def under_new_names(promise: Promised, names: Mapping[Line, Line]) -> Promised:
    """Return a promise with the money of every former name under the line's name now.

    Args:
        names: former name -> name now.
    """
    forecast = promise.forecast
    gone: dict[Line, Line] = {}
    for old, new in names.items():
        if old in forecast.lines and new not in forecast.lines:
            gone.setdefault(new, old)  # one of its former names becomes it, the others are added
    became = {old: new for new, old in gone.items()}
    lines = tuple(became.get(line, line) for line in forecast.lines)
    return replace(
        promise,
        forecast=replace(
            forecast,
            lines=lines,
            spend=under_names_now(forecast.spend, lines, names),
            status_quo_spend=under_names_now(forecast.status_quo_spend, lines, names),
        ),
    )


def _missed(
    ahead: Predictive,
    table: Realised,
    outcome: FloatArray,
    first: int,
    plans: Sequence[Promised],
) -> FloatArray:
    """Return what plans would have earned each day beyond what was spent, 0 where none is named."""
    if not plans:
        return np.zeros(outcome.shape[0])
    place = {line: index for index, line in enumerate(table.lines)}
    wanted = table.spend.copy()
    for plan in plans:
        row = table.days.index(plan.forecast.day)
        for line, amount in zip(
            plan.forecast.lines, plan.forecast.spend[:-1].tolist(), strict=True
        ):
            if line in place:
                wanted[row, place[line]] = amount
    # What is carried over from such a day counts on the days after it, and belongs to its plan.
    less = compare(ahead, table.spend, wanted, outcome, first).days
    rows = np.array([table.days.index(plan.forecast.day) - first for plan in plans])
    out = np.zeros(outcome.shape[0])
    latest = np.searchsorted(rows, np.arange(out.size), "right") - 1
    np.add.at(out, rows[np.maximum(latest, 0)], -less)
    return out


def _last_known(realised: Realised) -> int:
    """Return the row after the newest day of which half is reported of every line."""
    known = realised.complete.min(axis=1) >= EARLY
    return int(known.size - np.argmax(known[::-1])) if known.any() else 0


def _ordered(realised: Realised, lines: tuple[Line, ...], end: int) -> Realised:
    """Return the days before `end` with these lines as columns; an unknown line spent nothing."""
    place = {line: index for index, line in enumerate(realised.lines)}
    columns = [place.get(line, -1) for line in lines]

    def picked(table: FloatArray | BoolArray) -> np.ndarray:
        empty = np.zeros((table.shape[0], 1), dtype=table.dtype)
        return np.concatenate([table, empty], axis=1)[:end, columns]

    return replace(
        realised,
        days=realised.days[:end],
        lines=lines,
        spend=picked(realised.spend),
        outcome=picked(realised.outcome),
        complete=picked(realised.complete),
        trusted=picked(realised.trusted),
    )


def _filled(table: Realised, first: int) -> FloatArray:
    """Return completed outcomes from a row on, a day in doubt as the line's mean of the others."""
    complete = np.maximum(table.complete[first:], 1e-3)
    outcome, trusted = np.nan_to_num(table.outcome[first:]) / complete, table.trusted[first:]
    usual = np.where(trusted, outcome, 0.0).sum(axis=0) / np.maximum(trusted.sum(axis=0), 1)
    return np.where(trusted, outcome, usual)
