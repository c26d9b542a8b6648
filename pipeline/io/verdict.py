"""What the gate has found so far, and the cells that the model must not learn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, line_label
from pipeline.io.checks import printable
from pipeline.io.facts import Facts


@dataclass(slots=True)
class Verdict:
    """Findings so far, and the cells that the model must not learn from."""

    findings: list[Finding] = field(default_factory=list)
    untrusted: dict[tuple[date, tuple[str, ...]], str] = field(default_factory=dict)

    def add(
        self, level: Level, check: str, message: str, advice: str = "", **where: object
    ) -> None:
        """Add one finding."""
        self.findings.append(
            Finding.model_validate(
                {
                    "level": level,
                    "check": check,
                    "message": printable(message),
                    "advice": advice,
                    **where,
                }
            )
        )

    def distrust(self, facts: Facts, cells: Iterable[tuple[int, int]], check: str) -> int:
        """Keep cells (day index, line index) from the model; return how many were new."""
        before = len(self.untrusted)
        for day, line in cells:
            self.untrusted.setdefault((facts.days[day], facts.lines[line]), check)
        return len(self.untrusted) - before


def named_lines(facts: Facts, which: BoolArray, limit: int = 5) -> str:
    """Return the lines that are marked, as a sentence names them."""
    names = [line_label(facts.lines[int(index)]) for index in np.flatnonzero(which)]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
