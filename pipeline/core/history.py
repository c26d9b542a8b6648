"""What an advertiser saw: the one table that the model reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import BoolArray, FloatArray, IntArray, Line

ALL_LINES: Line = ("all lines",)
"""The one unit of outcomes that are known as a total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Outcomes that are known for groups of lines: a total, or one per region.

    Attributes:
        levels: positions in a line of the columns that outcomes are known by; none for a total.
        units: (n_units,), the values of those columns.
        outcomes: name -> (n_days, n_units), as reported.
        controls: name -> (n_days, n_units), what else moves the outcomes; NaN where unknown.
        trusted: (n_days, n_units), False where the outcome may teach nothing. Spend in doubt is no
            reason: a slip of one line in eighty tells nothing against the total, and the likely
            amount stands in its place.
        period_days: how many days a row of the source spans; days inside share it evenly.
    """

    levels: tuple[int, ...]
    units: tuple[Line, ...]
    outcomes: Mapping[str, FloatArray]
    controls: Mapping[str, FloatArray]
    trusted: BoolArray
    period_days: int = 1

    def until(self, end: int) -> Measured:
        """Return the first `end` days."""
        return replace(
            self,
            outcomes={name: table[:end] for name, table in self.outcomes.items()},
            controls={name: table[:end] for name, table in self.controls.items()},
            trusted=self.trusted[:end],
        )

    def unit_of(self, lines: tuple[Line, ...]) -> IntArray:
        """Return the unit of every line, (n_lines,); -1 where no outcome is known of it."""
        index = {unit: i for i, unit in enumerate(self.units)}
        names = (unit_name(line, self.levels) for line in lines)
        return np.array([index.get(name, -1) for name in names], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadSeries:
    """A metric that arrives earlier than the outcome and predicts it.

    Attributes:
        table: (n_days, n_lines), as reported.
        vintages: what earlier nights had seen of it; None where it is whole at once.
    """

    table: FloatArray
    vintages: Vintages | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Spend and outcomes per day and line over an unbroken calendar.

    Attributes:
        days: consecutive, oldest first; the last is the day before the plan's day.
        lines: in the order of every second axis below.
        spend: (n_days, n_lines), account currency, >= 0.
        outcomes: name -> (n_days, n_lines), as reported; the last days are usually incomplete.
        trusted: (n_days, n_lines), False where a data fault forbids learning from the cell.
        measured: set where outcomes are not attributed to lines; `outcomes` is then empty.
        leads: name -> metric that predicts the objective before it is reported.
        special: days that are unlike others, past and coming, and what they are called.
    """

    days: tuple[date, ...]
    lines: tuple[Line, ...]
    spend: FloatArray
    outcomes: Mapping[str, FloatArray]
    trusted: BoolArray
    measured: Measured | None = None
    leads: Mapping[str, LeadSeries] = field(default_factory=dict)
    special: Mapping[date, str] = field(default_factory=dict)

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

    @property
    def metrics(self) -> frozenset[str]:
        """The outcomes that are known, of lines or of groups of them."""
        return frozenset(self.outcomes if self.measured is None else self.measured.outcomes)

    @property
    def outcome_side(self) -> History:
        """The same days by what outcomes are known by: lines, or groups of them as if they were.

        What forecasts are held against. A group is trusted where its outcome is, and the spend of
        all its lines: a fit takes the likely spend of a day, but a forecast of other spend than
        was paid for tells nothing.
        """
        measured = self.measured
        if measured is None:
            return self
        member = measured.unit_of(self.lines)[:, None] == np.arange(len(measured.units))
        return History(
            days=self.days,
            lines=measured.units,
            spend=self.spend @ member,
            outcomes=measured.outcomes,
            trusted=measured.trusted & ((~self.trusted) @ member == 0),
            special=self.special,
        )

    @property
    def outermost(self) -> tuple[str, ...]:
        """The outermost name of each line, (n_lines,)."""
        return tuple(line[0] for line in self.lines)

    def until(self, end: int) -> History:
        """Return the first `end` days."""
        return replace(
            self,
            days=self.days[:end],
            spend=self.spend[:end],
            outcomes={name: table[:end] for name, table in self.outcomes.items()},
            trusted=self.trusted[:end],
            measured=None if self.measured is None else self.measured.until(end),
            leads={
                name: replace(lead, table=lead.table[:end]) for name, lead in self.leads.items()
            },
        )

    def under_new_names(self, names: Mapping[Line, Line]) -> History:
        """Return the same days with the past of every former name under the line's name now.

        A former name keeps its place, empty and untrusted: of it nothing is learned any more. On
        days on which it spent nothing and the other did, what is not known of it is no doubt.

        Args:
            names: former name -> name now, all of them lines of this history.
        """
        if not names:
            return self
        trusted, spend = self.trusted.copy(), under_names_now(self.spend, self.lines, names)
        place = {line: index for index, line in enumerate(self.lines)}
        for old, new in ((place[before], place[now]) for before, now in names.items()):
            trusted[:, new] &= trusted[:, old] | ((self.spend[:, old] == 0) & (spend[:, new] > 0))
            trusted[:, old] = False
        return replace(
            self,
            spend=spend,
            outcomes={
                name: under_names_now(table, self.lines, names)
                for name, table in self.outcomes.items()
            },
            trusted=trusted,
            leads={
                name: replace(lead, table=under_names_now(lead.table, self.lines, names))
                for name, lead in self.leads.items()
            },
        )

    def of_lines(self, places: IntArray) -> History:
        """Return the lines at those places, as if there were no others."""
        return replace(
            self,
            lines=tuple(self.lines[place] for place in places.tolist()),
            spend=self.spend[:, places],
            outcomes={name: table[:, places] for name, table in self.outcomes.items()},
            trusted=self.trusted[:, places],
            leads={
                name: replace(lead, table=lead.table[:, places])
                for name, lead in self.leads.items()
            },
        )


def under_names_now(
    table: FloatArray, lines: Sequence[Line], names: Mapping[Line, Line]
) -> FloatArray:
    """Return a table with what stands under former names added to the names now, which are left 0.

    Args:
        table: (..., n_lines or more), what is beyond the lines stays.
        names: former name -> name now; pairs of which one is no line are left alone.
    """
    place, out = {line: index for index, line in enumerate(lines)}, table.copy()
    for old, new in names.items():
        if old in place and new in place:
            out[..., place[new]] += out[..., place[old]]
            out[..., place[old]] = 0.0
    return out


def unit_name(line: Line, levels: tuple[int, ...]) -> Line:
    """Return the unit that a line's outcomes are measured in."""
    return tuple(line[level] for level in levels) or ALL_LINES


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintages:
    """What earlier nights had seen of the same days: the evidence on late outcomes.

    Attributes:
        seen_on: (n,) ordinal of the day whose night took the snapshot.
        day: (n,) ordinal of the day that the outcome is credited to, < `seen_on`.
        group: (n,) outermost level of the line, for example the channel.
        outcome: (n,) total of the metric for that group and day in that snapshot.
        late_days: (n,) how long after `seen_on` the snapshot was really taken; None where all were
            taken on their day. Only snapshots that are as late as each other show what arrived.
    """

    seen_on: FloatArray
    day: FloatArray
    group: tuple[str, ...]
    outcome: FloatArray
    late_days: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftTest:
    """One experiment's read-out: evidence on a line or a scope.

    Attributes:
        lines: every line that was treated.
        first_day, last_day: of the window, inclusive.
        lift: incremental outcome over the window, treated minus what would have been.
        standard_error: of `lift`, > 0.
        spend_change: money spent more (or less) than in the counterfactual over the window,
            all lines together; not 0.
        name: what people call it.
        metric: the outcome that `lift` counts; empty means the objective.
        spend_without: money of the counterfactual over the window; None where it is what was
            spent then less `spend_change`. A test on a part of a line, scaled up to all of it,
            has to say it: what the line itself spent is then neither of the two compared.
    """

    lines: tuple[Line, ...]
    first_day: date
    last_day: date
    lift: float
    standard_error: float
    spend_change: float
    name: str = "lift test"
    metric: str = ""
    spend_without: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.lift, self.standard_error, self.spend_change)
        if not all(map(math.isfinite, numbers)) or self.standard_error <= 0:
            raise PipelineError(
                f"{self.name}: lift, standard_error and spend_change must be finite and "
                f"standard_error above 0, got {numbers}"
            )
        if self.spend_change == 0:
            raise PipelineError(
                f"{self.name}: spend_change is 0; a test that moved no money teaches nothing"
            )
        without = self.spend_without
        if without is not None and not (
            0 <= without < math.inf and without + self.spend_change >= 0
        ):
            raise PipelineError(
                f"{self.name}: spend_without {without} and what spend_change "
                f"{self.spend_change} makes of it must be 0 or more"
            )
        if self.last_day < self.first_day:
            raise PipelineError(f"{self.name}: ends {self.last_day} before {self.first_day}")
