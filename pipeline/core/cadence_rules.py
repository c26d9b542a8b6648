"""The `cadence` section: who may be written to how often, when not, and what leaving costs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Amount, ClockTime, Column, ScopeMap, Share, Strict, Whole

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
TAKEN = frozenset({"date", "dose", "bucket", "persons", "person", "touches", "must_send"})


class TouchLimit(Strict):
    """Least and most touches a week and person for the segments of a scope, or exactly so many."""

    scope: ScopeMap = Field(default_factory=dict)
    min: Amount | None = None
    max: Amount | None = None
    fixed: Amount | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fixed is not None and (self.min is not None or self.max is not None):
            raise ValueError("cadence.limits: fixed stands alone, without min and max")
        if self.fixed is None and self.min is None and self.max is None:
            raise ValueError("cadence.limits: give min, max or fixed")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"cadence.limits: min {self.min:g} is above max {self.max:g}")
        return self


class Leaving(Strict):
    """People who unsubscribe or churn: what they cost, and how many there may be.

    Attributes:
        cost: of one who leaves, in the reward's unit; without it, what a person of the segment
            brings in `worth_weeks` weeks.
        max_weekly: share of people who may leave in a week, at most.
        max_rise: one more touch a week may raise the weekly rate of leaving by at most this share.
        chance: how sure that has to be before a cadence is raised.
    """

    cost: Amount | None = None
    worth_weeks: Annotated[float, Field(strict=True, gt=0, le=520)] = 52.0
    max_weekly: Share | None = None
    max_rise: Annotated[float, Field(strict=True, gt=0, le=5)] = 0.25
    chance: Annotated[float, Field(strict=True, ge=0.5, lt=1)] = 0.95


class Quiet(Strict):
    """When nobody is written to, in the portfolio's zone: hours of every day, weekdays, dates."""

    start: ClockTime = "21:00"
    end: ClockTime = "08:00"
    days: tuple[Weekday, ...] = ()
    dates: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.start == self.end:
            raise ValueError("cadence.quiet: start and end are the same, so no hour is left")
        if len(set(self.days)) == len(WEEKDAYS):
            raise ValueError("cadence.quiet: every weekday is quiet, so none is left to send on")
        return self


class Lottery(Strict):
    """Who is drawn for another dose than their segment's, so that touches can be learned from.

    Attributes:
        side: share of people one touch below the cadence, and as many one above.
        holdout: share of people who get no touch but what must be sent.
    """

    side: Annotated[float, Field(strict=True, ge=0, le=0.3)] = 0.15
    holdout: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.05


class CadenceRules(Strict):
    """How touches a week are shared between lifecycle segments.

    Attributes:
        segment: the columns that name a segment, outermost first.
        reward: what a touch is good for.
        capacity: messages that can be sent in a week, must-send ones included; None for no limit.
        max_touches: the most messages a person gets in a week, must-send ones included.
        touch_cost: of one touch, in the reward's unit.
        max_rise: by how many touches a week a cadence is raised at once, at most.
        keep_days: a changed cadence stays so long, so that people stay on their dose; only harm
            ends it earlier.
        evidence_days: how far back the lottery is learned from.
        delay_days: how old a day has to be before what it brought is complete.
        risk_aversion: how many standard deviations of its gain a change has to be worth.
        min_probability: below this chance of a gain today's cadence is kept.
        min_gain: the same below this share of what today's touches are worth: who is moved to
            another dose has to be learned from anew.
    """

    segment: tuple[Column, ...] = Field(min_length=1, max_length=4)
    reward: Literal["value", "conversions"] = "value"
    capacity: Amount | None = None
    max_touches: Annotated[float, Field(strict=True, gt=0, le=21)] = 3.0
    touch_cost: Amount = 0.0
    max_rise: Annotated[float, Field(strict=True, gt=0, le=7)] = 1.0
    keep_days: Annotated[Whole, Field(ge=0, le=180)] = 28.0
    evidence_days: Annotated[Whole, Field(ge=28, le=730)] = 168.0
    delay_days: Annotated[Whole, Field(ge=0, le=60)] = 0.0
    risk_aversion: Annotated[float, Field(strict=True, ge=0, le=5)] = 1.0
    min_probability: Annotated[float, Field(strict=True, ge=0.5, lt=1)] = 0.9
    min_gain: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.01
    leaving: Leaving = Leaving()
    quiet: Quiet = Quiet()
    lottery: Lottery = Lottery()
    limits: tuple[TouchLimit, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.segment)) != len(self.segment):
            raise ValueError("cadence.segment: a column is named twice")
        if taken := sorted(TAKEN.intersection(self.segment)):
            raise ValueError(f"cadence.segment: {taken} cannot name a segment")
        for limit in self.limits:
            if unknown := sorted(set(limit.scope) - set(self.segment)):
                raise ValueError(
                    f"cadence.limits: {unknown} is not a segment column, need one of "
                    f"{list(self.segment)}"
                )
        return self

    def bounds(self, segment: dict[str, str]) -> tuple[float, float]:
        """Return least and most touches a week and person that the limits leave a segment.

        A `fixed` limit is both. The most may be below the least where limits contradict.
        """
        low, high = 0.0, float("inf")
        for limit in self.limits:
            if any(segment.get(column) != value for column, value in limit.scope.items()):
                continue
            if limit.fixed is not None:
                return limit.fixed, limit.fixed
            low = max(low, limit.min or 0.0)
            high = min(high, float("inf") if limit.max is None else limit.max)
        return low, high

    def is_fixed(self, segment: dict[str, str]) -> bool:
        """Whether a limit says exactly how often a segment is written to."""
        return any(
            limit.fixed is not None
            and all(segment.get(column) == value for column, value in limit.scope.items())
            for limit in self.limits
        )
