"""Outcomes of regions, audiences or lines by day: what experiments are designed and read on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """An unbroken calendar of every unit's outcome.

    Attributes:
        days: consecutive.
        units: names, sorted.
        outcome: (n_days, n_units), finite.
        spend: same shape, None where it is not known.
    """

    days: tuple[date, ...]
    units: tuple[str, ...]
    outcome: FloatArray
    spend: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.days), len(self.units))
        if self.outcome.shape != shape or not np.isfinite(self.outcome).all():
            raise UsageError(f"experiment data: outcomes of shape {shape} must all be known")

    def until(self, day: date) -> Panel:
        """Return the days before `day`."""
        rows = [index for index, known in enumerate(self.days) if known < day]
        return replace(
            self,
            days=tuple(self.days[row] for row in rows),
            outcome=self.outcome[rows],
            spend=None if self.spend is None else self.spend[rows],
        )

    def without(self, units: Sequence[str]) -> Panel:
        """Return the panel of the other units."""
        kept = np.setdiff1d(np.arange(len(self.units)), self.columns(units))
        return replace(
            self,
            units=tuple(self.units[column] for column in kept.tolist()),
            outcome=self.outcome[:, kept],
            spend=None if self.spend is None else self.spend[:, kept],
        )

    def earning(self, rows: slice) -> Panel:
        """Return the panel of the units that had an outcome on any day of the rows."""
        has = np.any(self.outcome[rows] != 0, axis=0)
        return self.without([self.units[column] for column in np.flatnonzero(~has).tolist()])

    def columns(self, units: Sequence[str]) -> IntArray:
        """Return the columns of units.

        Raises:
            UsageError: one of them is not in the data, or named twice.
        """
        if twice := sorted({unit for unit in units if list(units).count(unit) > 1}):
            raise UsageError(f"experiment data: unit {twice[0]!r} is named twice; name it once")
        place = {unit: index for index, unit in enumerate(self.units)}
        if missing := sorted(set(units) - place.keys()):
            raise UsageError(
                f"experiment data: no unit {missing[0]!r}, only {', '.join(self.units[:8])}, ..."
            )
        return np.array([place[unit] for unit in units], dtype=np.int64)

    def rows(self, first: date, last: date) -> slice:
        """Return the rows of a window.

        Raises:
            UsageError: the data do not cover it.
        """
        if first < self.days[0] or last > self.days[-1] or last < first:
            raise UsageError(
                f"experiment data: {self.days[0]} to {self.days[-1]} do not cover "
                f"{first} to {last}; load newer data or shorten the window"
            )
        start = (first - self.days[0]).days
        return slice(start, start + (last - first).days + 1)
