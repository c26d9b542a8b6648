"""The north-star metric, and the metrics under it: parts with their worth, leads, totals."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from pipeline.core.settings import Amount, Column, Strict

SPEND_LEADS = frozenset({"clicks", "impressions"})
"""Leads that the spend source counts; every other one is an outcome column."""

BUILT = "value"
"""What the sum of valued parts is called where the settings do not name it."""


class Objective(Strict):
    """The north-star metric: an outcome column, or a sum of outcomes by what each is worth.

    Attributes:
        maximize: its name; with `values` the name of the sum, such as `margin` or `pipeline`.
        values: outcome column -> worth of one of it, in units of the north-star metric.
        leads: metrics that arrive earlier and predict it; they complete its last days.
        totals: outcome column -> the columns that add up to it, checked every night.
    """

    maximize: Column = "revenue"
    values: dict[Column, Amount] = Field(default_factory=dict)
    leads: tuple[Column, ...] = ()
    totals: dict[Column, tuple[Column, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("values") and "maximize" not in data:
            return {**data, "maximize": BUILT}
        return data

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.maximize in self.values:
            raise ValueError(
                f"objective: {self.maximize} is both the sum and a part of it under values; "
                "give maximize a name of its own"
            )
        if self.values and not any(self.values.values()):
            raise ValueError("objective.values: nothing is worth anything; give one a value")
        own = {self.maximize, *self.values}
        if doubled := sorted(own.intersection(self.leads)):
            raise ValueError(f"objective.leads: {doubled[0]} cannot predict itself")
        for total, parts in self.totals.items():
            if len(set(parts)) < 2 or total in parts:
                raise ValueError(
                    f"objective.totals.{total}: need two or more different parts other than it"
                )
            if counted_twice := self.values.keys() & {total} and self.values.keys() & set(parts):
                raise ValueError(
                    f"objective.values: {total} and {sorted(counted_twice)[0]}, which is a part "
                    "of it, are both worth something: the part would count twice"
                )
        return self

    @property
    def columns(self) -> frozenset[str]:
        """The outcome columns that it cannot do without."""
        base = set(self.values) or {self.maximize}
        parts = {part for total, parts in self.totals.items() for part in (total, *parts)}
        return frozenset((base | parts | set(self.leads)) - SPEND_LEADS - self._sum())

    def _sum(self) -> set[str]:
        return {self.maximize} if self.values else set()

    def counted(self, known: Container[str]) -> str:
        """Return the outcome whose lateness says how complete a day is.

        Revenue comes with its conversions, which are counted; every other metric is its own.
        """
        is_money = self.maximize == "revenue" and not self.values
        return "conversions" if is_money and "conversions" in known else self.maximize
