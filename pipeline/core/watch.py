"""What the watch over inputs, residuals and calibration asks of tonight's decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from pipeline.core.findings import Finding
from pipeline.core.types import Line


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Alarm(_Frozen):
    """One series that left its course.

    Attributes:
        kind: what is watched: `cpc`, `cpm`, `tracking`, `delivery`, `response`, `residual`.
        line: whose; empty for the portfolio.
        began: estimated day of the change.
        noticed: the day that crossed the limit.
        ends: the last day of its consequence.
        change: relative, new level over old minus 1.
        consequence: what is done about it: `hold`, `widen`, `forget` or `fall back`.
        is_active: whether the consequence is in force tonight.
        is_back: whether the last week lies at the old level again.
        has_just_ended: whether the consequence was in force on one of the last mornings.
    """

    kind: str
    line: Line = ()
    began: date
    noticed: date
    ends: date
    change: float
    consequence: str
    is_active: bool
    is_back: bool = False
    has_just_ended: bool = False


class LineWatch(_Frozen):
    """What is done about one line tonight.

    Attributes:
        hold: why its budget stays, nothing where it is free.
        widen: factor on the spread of its curve, >= 1.
        forget_before: of the days before it only every third still teaches.
    """

    hold: str = ""
    widen: float = Field(default=1.0, ge=1.0)
    forget_before: date | None = None


class Watch(_Frozen):
    """The watch's verdict of one night.

    Attributes:
        series: how many are watched.
        limit: of the cumulated sums, for the false-alarm rate that the policy sets.
        alarms: of the days looked back on, newest first, ended ones included.
        lines: by line, where something is done.
        findings: for the signer, and for the fallback where nothing can be trusted.
    """

    series: int = 0
    false_alarms_per_year: float = 1.0
    limit: float = 0.0
    alarms: tuple[Alarm, ...] = ()
    lines: tuple[tuple[Line, LineWatch], ...] = ()
    findings: tuple[Finding, ...] = ()

    def drifts(self) -> tuple[Finding, ...]:
        """Return the findings about inputs and residuals, which the night judges like data."""
        return tuple(item for item in self.findings if item.check.startswith("drift-"))

    def calibration(self) -> tuple[Finding, ...]:
        """Return the findings about past forecasts, which are the model's health."""
        return tuple(item for item in self.findings if not item.check.startswith("drift-"))

    def by_line(self) -> Mapping[Line, LineWatch]:
        """Return what is done about each line that something is done about."""
        return dict(self.lines)

    def under_new_names(self, names: Mapping[Line, Line]) -> Watch:
        """Return the same with what is done about a former name done about the line's name now.

        Args:
            names: former name -> name now; what is done about that one itself goes first.
        """
        moved = {names[line]: item for line, item in self.lines if line in names}
        own = {line: item for line, item in self.lines if line not in names}
        return self.model_copy(update={"lines": tuple((moved | own).items())})
