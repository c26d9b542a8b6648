"""What the gate has found so far, and the cells that the model must not learn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from pipeline.core.findings import Finding, Level
from pipeline.core.types import BoolArray, FloatArray, Line, line_label
from pipeline.io.checks import printable
from pipeline.io.facts import Facts

SHOWN_DAYS = 28  # a signer hears of a fault for four weeks; then it is only recorded


def aged_level(facts: Facts, newest: int) -> Level:
    """Return how much a fault weighs whose newest day has this index."""
    age_days = (len(facts.days) - newest) * facts.period_days
    return Level.REVIEW if age_days <= SHOWN_DAYS else Level.PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a cell is not trusted, and the spend that is more likely where spend is the doubt."""

    check: str
    spend: float | None = None


@dataclass(slots=True)
class Verdict:
    """Findings so far, and the cells that the model must not learn from."""

    findings: list[Finding] = field(default_factory=list)
    untrusted: dict[tuple[date, Line], Doubt] = field(default_factory=dict)

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

    def distrust(
        self,
        facts: Facts,
        cells: Iterable[tuple[int, int]],
        check: str,
        spend: FloatArray | None = None,
    ) -> None:
        """Keep cells (row index, line index) from the model, every day that the row spans.

        Args:
            spend: of `facts`' shape, what is more likely than what the source says; a wrong amount
                would else be carried over into the days after it.
        """
        for row, line in cells:
            likely = None if spend is None else float(spend[row, line]) / facts.period_days
            for part in range(facts.period_days):
                day = facts.days[row] + timedelta(days=part)
                self.untrusted.setdefault(
                    (day, facts.lines[line]), Doubt(check=check, spend=likely)
                )


def report_believed(plain: Verdict, verdict: Verdict, because: str, unless: str) -> None:
    """Say what is believed of a newest day for a reason that a signer should know.

    Args:
        plain: what the rules say of the day without that reason.
        verdict: what they say with it; gets the findings, to be looked at.
        because: the reason; the finding goes on with what would be said without it.
        unless: when to follow the plain finding's advice all the same.
    """
    heard = {(item.check, item.line) for item in verdict.findings}
    for item in plain.findings:
        if item.level is not Level.PASS and (item.check, item.line) not in heard:
            message = f"believed, because {because}; otherwise: {item.message}"
            advice = f"{unless}: {item.advice}"
            verdict.findings.append(
                item.model_copy(
                    update={"level": Level.REVIEW, "message": message, "advice": advice}
                )
            )


def named_lines(facts: Facts, which: BoolArray, limit: int = 5) -> str:
    """Return the lines that are marked, as a sentence names them."""
    names = [line_label(facts.lines[int(index)]) for index in np.flatnonzero(which)]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
