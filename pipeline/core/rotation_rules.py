"""The `rotation` section: which creatives may be shown where, and how far a night may go."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Name, Share, Strict


class CreativeRule(Strict):
    """What the brand says of one creative.

    Attributes:
        only_in: the audiences that it may be shown to; empty for all.
        not_in: the audiences that it must not be shown to.
        starts, expires: first and last day, inclusive.
        disclosures: what it says, such as `paid partnership`.
    """

    creative: Name
    only_in: tuple[Name, ...] = ()
    not_in: tuple[Name, ...] = ()
    starts: date | None = None
    expires: date | None = None
    disclosures: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.starts and self.expires and self.starts > self.expires:
            raise ValueError(f"creative {self.creative}: expires before it starts")
        if both := sorted(set(self.only_in) & set(self.not_in)):
            raise ValueError(f"creative {self.creative}: {both} is in only_in and in not_in")
        return self


class Disclosure(Strict):
    """Audiences whose creatives have to say something, such as a responsible-use notice."""

    audiences: tuple[Name, ...] = Field(min_length=1)
    needs: tuple[Name, ...] = Field(min_length=1)


class Retire(Strict):
    """When a creative is proposed to be taken out.

    Attributes:
        error: the probability of being the best, or nearly, below which it counts as a loser.
        nights: so many nights in a row.
        near: "nearly" the best is within this share of the best.
    """

    error: Annotated[float, Field(strict=True, gt=0, le=0.2)] = 0.01
    near: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.1
    nights: Annotated[int, Field(ge=1, le=60)] = 3


class RotationRules(Strict):
    """How exposure is shared between the creatives of an audience.

    Attributes:
        reward: what a creative is good for, per impression.
        uniform: share of an audience's exposure that is split evenly, to keep learning.
        max_share: the most that any creative gets where there are others.
        max_daily_change: by how much a share moves in a night, in points of 1.
        sharpness: shares follow P(best) to this power.
        min_probability: that a change has to be better with what is known; else nothing moves.
        explore_from: a change that moves this share of the exposure is made to learn although it
            is not that probably better.
        half_life_days: after so many days an exposure counts half.
        delay_days: how old an exposure has to be before its rewards are complete.
        apart: groups of creatives of which an audience sees one at most.
        randomised: whether we ourselves assign exposures by chance, so that a split that is not as
            signed is a fault and not the platform's choice.
        revive: creatives that were retired and may come back.
        holdout: share of people, drawn by their key, who are shown an even split.
    """

    reward: Literal["clicks", "conversions", "value"] = "clicks"
    uniform: Share = 0.02
    max_share: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.98
    max_daily_change: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    sharpness: Annotated[float, Field(strict=True, ge=1, le=6)] = 4.0
    min_probability: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.75
    explore_from: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.05
    half_life_days: Annotated[float, Field(strict=True, ge=1)] = 23.0
    delay_days: Annotated[int, Field(ge=0, le=60)] = 0
    retire: Retire = Retire()
    creatives: tuple[CreativeRule, ...] = ()
    apart: tuple[tuple[Name, ...], ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    randomised: bool = False
    revive: tuple[Name, ...] = ()
    holdout: Annotated[float, Field(strict=True, ge=0, le=0.5)] = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [rule.creative for rule in self.creatives]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rotation.creatives: {twice} is given twice")
        if any(len(set(group)) < 2 for group in self.apart):
            raise ValueError("rotation.apart: a group needs two creatives or more")
        if self.uniform >= 1:
            raise ValueError("rotation.uniform: 1 leaves nothing to decide; need less")
        return self
