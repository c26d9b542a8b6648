"""What past plans were worth against leaving budgets alone, on the curves as known by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.types import FloatArray
from pipeline.scoring.scores import Promised, Realised

EVERY_DRAW = 0.05, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """One plan's day in outcome, tonight's curves over that day's budgets.

    Attributes:
        gain, gain_p05, gain_p95: of the money as it was spent, over the old budgets.
        planned: gain of the plan, had it been spent as planned.
        missed: gain of the plan over what was spent; negative where departing from it paid.
    """

    plan_id: str
    day: date
    is_published: bool
    gain: float
    gain_p05: float
    gain_p95: float
    planned: float
    missed: float


def plan_worth(
    promises: Sequence[Promised], realised: Realised, table: ResponseTable
) -> list[Worth]:
    """Return the worth of each plan whose day is over and whose lines are all known.

    A counterfactual cannot be observed; this asks the best curves there are by now, which had
    the plan's own days to learn from.
    """
    place = {line: index for index, line in enumerate(realised.lines)}
    rows = {day: index for index, day in enumerate(realised.days)}
    known = {line: index for index, line in enumerate(table.lines)}
    out = []
    for promise in promises:
        forecast = promise.forecast
        row = rows.get(forecast.day)
        if row is None or not set(forecast.lines) <= known.keys() & place.keys():
            continue
        columns = [place[line] for line in forecast.lines]
        spent = realised.spend[row, columns]
        planned, before = forecast.spend[:-1], forecast.status_quo_spend[:-1]
        done, wanted, still = (
            _at(table, [known[line] for line in forecast.lines], spend)
            for spend in (spent, planned, before)
        )
        gain = done - still
        out.append(
            Worth(
                plan_id=promise.plan_id,
                day=forecast.day,
                is_published=promise.is_published,
                gain=float(gain.mean()),
                gain_p05=float(np.quantile(gain, EVERY_DRAW[0])),
                gain_p95=float(np.quantile(gain, EVERY_DRAW[1])),
                planned=float((wanted - still).mean()),
                missed=float((wanted - done).mean()),
            )
        )
    return out


def _at(table: ResponseTable, columns: list[int], spend: FloatArray) -> FloatArray:
    """Return the value of a split in each draw, (n_draws,); other lines count nothing."""
    whole = np.zeros(len(table.lines))
    whole[columns] = spend
    return np.asarray(table.at(whole)[:, columns].sum(axis=1))
