"""Days on which a line's level jumped for good, and what they make of tables of days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import numpy as np

from pipeline.core.types import FloatArray, IntArray, Line, RealArray, SingleArray

Table = TypeVar("Table", bound=RealArray)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """One jump as it is told.

    Attributes:
        day: the first at the new level, `age` days before the last of history.
        ratio: new level over the one before.
    """

    line: Line
    day: date
    age: int
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaks:
    """Where levels jumped, in order of line and day.

    Attributes:
        line: (n,), of each jump.
        day: (n,), row of the first day at the new level.
        ratio: (n,), level before over level after.
        sd: (n,), standard deviation of `ratio`.
    """

    line: IntArray
    day: IntArray
    ratio: FloatArray
    sd: FloatArray

    @classmethod
    def none(cls) -> Breaks:
        """Return no jumps at all."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(line=empty, day=empty, ratio=np.zeros(0), sd=np.zeros(0))

    def scale(self, table: Table) -> Table:
        """Bring a table of today's levels, (n_days, n_lines), to those of its days, in place."""
        for line, day, ratio in zip(self.line, self.day, self.ratio, strict=True):
            table[:day, line] *= ratio
        return table

    def free(self, table: Table) -> Table:
        """Bring a table of days' own levels, (n_days, n_lines), to today's, in place."""
        for line, day, ratio in zip(self.line, self.day, self.ratio, strict=True):
            table[:day, line] /= ratio
        return table

    def steps(self, shape: tuple[int, ...], first: int) -> SingleArray:
        """Return the variance of each level's step after each day, for lines from `first` on.

        Args:
            shape: of what comes back, (n_days, n_lines).
        """
        out = np.zeros(shape, dtype=np.float32)
        own = (self.line >= first) & (self.line < first + shape[1])
        np.add.at(
            out,
            (self.day[own] - 1, self.line[own] - first),
            np.square(self.sd[own] / self.ratio[own]),
        )
        return out

    def named(self, lines: Sequence[Line], days: Sequence[date]) -> tuple[Jump, ...]:
        """Return the jumps by their lines and days."""
        return tuple(
            Jump(
                line=lines[line],
                day=days[day],
                age=len(days) - 1 - int(day),
                ratio=float(1 / ratio),
            )
            for line, day, ratio in zip(self.line, self.day, self.ratio, strict=True)
        )
