"""An experiment as a night sees it: what runs, what is kept out of its hands, what was found."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from pipeline.core.types import Line, in_scope, line_label

LINES = "line"
"""The unit column of an experiment whose units are whole budget lines."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialResult(_Frozen):
    """What the last look at a finished test showed, in total over its window."""

    lift: float
    standard_error: float
    spend_change: float


class Trial(_Frozen):
    """An assigned experiment or a standing holdout.

    Attributes:
        kind: `geo`, `switchback` or `holdout`.
        first_day, last_day: of the test; a standing holdout has no last day until it is ended.
        scope: the lines whose money it is about; empty means all.
        unit_column: what the units are values of; it may or may not be a line column.
        units: those that are treated, or held out.
        metric: that the result counts; empty means the objective.
        result: once the whole of it was read out.
        looks: how often it was looked at.
    """

    name: str
    kind: str = "geo"
    first_day: date
    last_day: date | None = None
    scope: dict[str, str] = Field(default_factory=dict)
    unit_column: str = ""
    units: tuple[str, ...] = ()
    metric: str = ""
    result: TrialResult | None = None
    looks: int = 0

    def runs_on(self, day: date) -> bool:
        """Return whether it is under way on a day."""
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)

    def keeps(self, line: Line, columns: tuple[str, ...]) -> bool:
        """Return whether it keeps a line out of the optimiser's hands while it runs.

        A test of lines in a scope keeps all of them, treated or compared with; one without a scope
        keeps its treated units where they are lines. A holdout keeps what it holds out.
        """
        if self.kind != "holdout" and self.scope:
            return in_scope(line, columns, self.scope)
        return self.treats(line, columns) if self.unit_column in {*columns, LINES} else False

    def treats(self, line: Line, columns: tuple[str, ...]) -> bool:
        """Return whether a line's money is what the test changes or holds out."""
        if not in_scope(line, columns, self.scope):
            return False
        if self.unit_column == LINES:
            return line_label(line) in self.units
        if self.unit_column not in columns:
            return bool(self.scope)
        return line[list(columns).index(self.unit_column)] in self.units
