"""What an advertiser saw: the one table that the model reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import BoolArray, FloatArray, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Spend and outcomes per day and line over an unbroken calendar.

    Attributes:
        days: consecutive, oldest first; the last is the day before the plan's day.
        lines: in the order of every second axis below.
        spend: (n_days, n_lines), account currency, >= 0.
        outcomes: name -> (n_days, n_lines), as reported; the last days are usually incomplete.
        trusted: (n_days, n_lines), False where a data fault forbids learning from the cell.
        totals: name -> (n_days,), for outcomes known only for the whole portfolio.
    """

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    spend: FloatArray
    outcomes: Mapping[str, FloatArray]
    trusted: BoolArray
    totals: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.days), len(self.lines))
        for name, table in {"spend": self.spend, "trusted": self.trusted, **self.outcomes}.items():
            if table.shape != shape:
                raise PipelineError(f"history: {name} has shape {table.shape}, need {shape}")
        if not (np.isfinite(self.spend).all() and (self.spend >= 0).all()):
            raise PipelineError("history: spend must be finite and not negative")
        ordinals = [day.toordinal() for day in self.days]
        if ordinals != list(range(ordinals[0], ordinals[0] + len(ordinals))):
            raise PipelineError("history: the calendar has gaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintages:
    """What earlier nights had seen of the same days: the evidence on late outcomes.

    Attributes:
        seen_on: (n,) ordinal of the day whose night took the snapshot.
        day: (n,) ordinal of the day that the outcome is credited to, < `seen_on`.
        group: (n,) outermost level of the line, for example the channel.
        outcome: (n,) total of the metric for that group and day in that snapshot.
    """

    seen_on: FloatArray
    day: FloatArray
    group: tuple[str, ...]
    outcome: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftTest:
    """One experiment's read-out: evidence on a line or a scope.

    Attributes:
        lines: every line that was treated.
        first_day, last_day: of the window, inclusive.
        lift: incremental outcome over the window, treated minus what would have been.
        standard_error: of `lift`, > 0.
        spend_change: money spent more (or less) than in the counterfactual over the window.
    """

    lines: tuple[Line, ...]
    first_day: date
    last_day: date
    lift: float
    standard_error: float
    spend_change: float
