"""What a page may show beyond the signed plan: curves, pacing, past promises. All of it optional.

A night stores this as `page.json` beside the plan, so that the page can be written again, byte for
byte, without the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.core.curves import ResponseTable
from pipeline.core.history import History
from pipeline.core.plan import Interval, Plan
from pipeline.core.types import JsonObject, Line
from pipeline.io.reports.lines import drawn_lines

HISTORY_DAYS = 60

Numbers = tuple[float, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class LineExtras(_Frozen):
    """What tomorrow's spend earns on one line, and where its spend has been.

    Attributes:
        spend, mean, p05, p95: the response curve over ascending spends from 0; equally long.
        points_spend, points_value, points_day: what past weeks say of the same curve, net of
            demand and of what comes without spend, a day; by their first day, equally long.
        past_spend: of the last days.
    """

    line: Line
    spend: Numbers
    mean: Numbers
    p05: Numbers
    p95: Numbers
    points_spend: Numbers = ()
    points_value: Numbers = ()
    points_day: tuple[date, ...] = ()
    past_spend: Numbers = ()

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        lengths = {len(values) for values in (self.spend, self.mean, self.p05, self.p95)}
        if len(lengths) != 1 or len(self.spend) < 2:
            raise ValueError(f"line {self.line}: a curve needs the same points for all, 2 or more")
        points = {len(self.points_spend), len(self.points_value), len(self.points_day)}
        if len(points) != 1:
            raise ValueError(f"line {self.line}: points need a spend, a value and a day each")
        drawn = (*self.spend, *self.mean, *self.p05, *self.p95)
        if not all(math.isfinite(value) for value in drawn):
            raise ValueError(f"line {self.line}: a curve must be finite")
        return self


class WaitingCap(_Frozen):
    """A cap that finance has not decided, and what is held because of it."""

    id: str
    scope: dict[str, str]
    proposed_by: str
    min: float | None = None
    max: float | None = None
    fixed: float | None = None
    reason: str = ""
    impact: str = ""
    held_lines: int | None = None
    held_money: float | None = None


class Frontier(_Frozen):
    """Expected outcome of the best split at other budgets, ascending and equally long.

    `price` is what the next unit of money would earn there; empty where it is not known.
    """

    budget: Numbers
    mean: Numbers
    p05: Numbers
    p95: Numbers
    price: Numbers = ()


class Pacing(_Frozen):
    """How the month's money runs: amounts in account currency.

    Attributes:
        planned: money planned up to and with each day of the month, the first day first.
        course: the same as spent, then as forecast after `passed` days.
    """

    label: str
    budget: float
    spent: float
    planned_by_now: float
    forecast: float
    planned: Numbers = ()
    course: Numbers = ()
    passed: int = 0


class Promise(_Frozen):
    """What an earlier plan promised a day and what came.

    Of its own day, or of `days` days from `day` on, where outcomes are known by the week.
    `adopted_share` is how much of the planned move was really spent; `complete_share` how much
    of the day's outcome is thought to have been reported by now.
    """

    day: date
    plan_id: str
    promised: Interval
    days: int = 1
    realised: float | None = None
    adopted_share: float | None = None
    complete_share: float | None = None


class Brought(_Frozen):
    """What the last plans brought against leaving budgets alone, on the curves as known by now.

    Attributes:
        plans: published ones whose day is over.
        days: since the first of them whose outcomes are half reported; 0 where nobody counted.
        gain: of their moves, as far as these were made.
        planned: the same, and what was missed because money was not spent as they said.
        otherwise: that money, as a share of theirs.
        unsigned: what the plans that were not published would have gained beyond it.
    """

    plans: int
    days: int = 0
    first_day: date
    gain: Interval
    planned: float
    otherwise: float = 0.0
    unsigned: float = 0.0
    unsigned_plans: int = 0

    @property
    def missed(self) -> float:
        """Lost because the money was not spent as planned; negative where that paid."""
        return self.planned - self.gain.mean


class Running(_Frozen):
    """A lift test that is running or will: what it holds, until when, and what it costs.

    `price` is the money that it moves in all; `state` says `running` or `to come`.
    """

    name: str
    first_day: date
    last_day: date
    units: int
    scope: dict[str, str] = Field(default_factory=dict)
    price: float | None = None
    state: str = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWeeks:
    """A line's past weeks beside its curve, the oldest first: daily means, equally long.

    Attributes:
        value: earned a day by that spend, as far as arithmetic tells.
    """

    first_day: tuple[date, ...]
    spend: Numbers
    value: Numbers


class ReportExtras(_Frozen):
    """All of it optional: a page without extras is complete, only plainer.

    Attributes:
        lines: one entry for each line whose curve may be drawn.
        waiting_caps: those that finance has not decided.
        cap_costs: cap id -> outcome per day that the plan would gain without this cap.
        exploration_cost: outcome given up in order to learn.
        brought: what the last plans brought, and what was missed.
        experiments: lift tests that are running or will.
        is_paused: publishing was paused when the plan was made.
        previous: the plan that was proposed before this one.
        expires: when the plan can no longer be signed, as the page says it.
        undo: how to take the plan back once it is signed, in one sentence.
        sign_link: where the plan can be signed in a browser.
    """

    lines: tuple[LineExtras, ...] = ()
    waiting_caps: tuple[WaitingCap, ...] = ()
    cap_costs: dict[str, float] = Field(default_factory=dict)
    frontier: Frontier | None = None
    pacing: Pacing | None = None
    promises: tuple[Promise, ...] = ()
    exploration_cost: float | None = None
    brought: Brought | None = None
    experiments: tuple[Running, ...] = ()
    is_paused: bool = False
    previous: Plan | None = None
    expires: str = ""
    undo: str = ""
    sign_link: str = Field("", pattern=r"^(https?://[^\s\"'<>]+)?$")

    def to_json(self) -> JsonObject:
        """Return plain JSON values, what `page.json` holds."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_json(cls, data: JsonObject) -> Self:
        """Return the extras that `to_json` wrote."""
        return cls.model_validate(data)


def line_extras(
    plan: Plan,
    table: ResponseTable,
    history: History | None = None,
    weeks: Mapping[Line, PastWeeks] | None = None,
) -> tuple[LineExtras, ...]:
    """Return curve, 90 % band, past weeks and past spend of the lines that the page will draw.

    Lines of the plan that the table does not have are left out.
    """
    place = {line: index for index, line in enumerate(table.lines)}
    past = {line: index for index, line in enumerate(history.lines)} if history else {}
    out = []
    for line in drawn_lines(plan, place):
        index = place[line]
        low, high = np.quantile(table.value[:, index, :], (0.05, 0.95), axis=0)
        spend = history.spend[-HISTORY_DAYS:, past[line]] if history and line in past else None
        point = (weeks or {}).get(line)
        out.append(
            LineExtras(
                line=line,
                spend=tuple(table.spend[index].tolist()),
                mean=tuple(table.value[:, index, :].mean(axis=0, dtype=float).tolist()),
                p05=tuple(low.tolist()),
                p95=tuple(high.tolist()),
                points_spend=point.spend if point else (),
                points_value=point.value if point else (),
                points_day=point.first_day if point else (),
                past_spend=() if spend is None else tuple(spend.tolist()),
            )
        )
    return tuple(out)
