"""The `offers` section: which actions there are, who may get them, and how far a night may go."""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Name, Strict, Whole

SEPARATOR = "|"
OTHER = "(other)"
"""The segment that small ones are put together in."""
WEEK = 7
"""Days between two looks at the log."""


class OfferAction(Strict):
    """One thing that can be done for a person: an offer, on a channel, at a time, in a creative.

    Attributes:
        action: its name in the log.
        channel: what a person has to have consented to; none only for doing nothing.
        only_in, not_in: the segments that it may, or must not, be given in.
        starts, expires: first and last day, inclusive.
        cool_down_days: so many days after a person got it they do not get it again.
    """

    action: Name
    channel: Name | None = None
    offer: Name | None = None
    timing: Name | None = None
    creative: Name | None = None
    only_in: tuple[Name, ...] = ()
    not_in: tuple[Name, ...] = ()
    starts: date | None = None
    expires: date | None = None
    cool_down_days: Annotated[Whole, Field(ge=0, le=365)] = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if SEPARATOR in self.action:
            raise ValueError(f"action {self.action}: a name must not hold {SEPARATOR}")
        if self.starts and self.expires and self.starts > self.expires:
            raise ValueError(f"action {self.action}: expires before it starts")
        if both := sorted(set(self.only_in) & set(self.not_in)):
            raise ValueError(f"action {self.action}: {both} is in only_in and in not_in")
        return self

    def runs_on(self, day: date) -> bool:
        """Whether it may be given on a day."""
        return (self.starts is None or self.starts <= day) and (
            self.expires is None or day <= self.expires
        )


class ContactRules(Strict):
    """How often a person may be contacted, over all actions.

    Attributes:
        max_per_week: contacts on any seven days, the decided day included.
        min_gap_days: days that have to lie between two contacts; 1 allows every day.
    """

    max_per_week: Annotated[float, Field(ge=0, le=100)] | None = None
    min_gap_days: Annotated[Whole, Field(ge=0, le=365)] = 0.0


class OfferRules(Strict):
    """How actions are shared between the people of a segment.

    Attributes:
        actions: at least two; exactly one has no channel: it does nothing and needs no consent.
        holdout: share of the people who get nothing at all for a quarter, drawn by their key.
        floor: least share of every action that a person may get: it keeps the log fit to learn
            from.
        error: chance of proposing, at any look in `window_days`, a policy that is no better than
            the one in force.
        maturity_days: age from which a decision's reward is complete.
        window_days: older decisions are not learned from.
    """

    actions: tuple[OfferAction, ...] = Field(min_length=2)
    contact: ContactRules = ContactRules()
    holdout: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.05
    floor: Annotated[float, Field(strict=True, gt=0, le=0.5)] = 0.02
    error: Annotated[float, Field(strict=True, gt=0, le=0.2)] = 0.05
    maturity_days: Annotated[Whole, Field(ge=0, le=180)] = 7.0
    window_days: Annotated[Whole, Field(ge=1, le=730)] = 180.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [item.action for item in self.actions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"offers.actions: {twice} is given twice")
        idle = [item for item in self.actions if item.channel is None]
        if len(idle) != 1:
            raise ValueError(
                "offers.actions: exactly one action has no channel, the one that does nothing; "
                f"got {len(idle)}"
            )
        if idle[0].only_in or idle[0].not_in or idle[0].starts or idle[0].expires:
            raise ValueError(f"action {idle[0].action}: doing nothing is always allowed")
        if self.floor * len(names) > 0.6:
            raise ValueError(
                f"offers.floor: {self.floor:g} for each of {len(names)} actions leaves too little "
                "to decide; at most 0.6 in all"
            )
        return self

    @property
    def nothing(self) -> str:
        """The action that does nothing."""
        return next(item.action for item in self.actions if item.channel is None)

    @property
    def rests(self) -> bool:
        """Whether anything depends on how lately or how often a person was contacted."""
        limits = self.contact
        return (
            limits.max_per_week is not None
            or limits.min_gap_days > 0
            or any(item.cool_down_days > 0 for item in self.actions)
        )

    @property
    def looks(self) -> int:
        """How often the log is judged while a decision stays in it."""
        return ceil(self.window_days / WEEK)

    def judged_until(self, day: date) -> date:
        """Return the last day whose decisions are judged in the night of a day: a Sunday.

        Nights until the next Sunday is mature look at the same decisions, so that they repeat one
        verdict and are no further look.
        """
        newest = day - timedelta(days=1 + round(self.maturity_days))
        return newest - timedelta(days=newest.toordinal() % WEEK)  # ordinal 7 was a Sunday


def quarter_of(day: date) -> str:
    """Return the quarter of a day, such as 2026-Q4: for so long the holdout stays the same."""
    return f"{day.year}-Q{(day.month + 2) // 3}"
