"""What the signer must know about data and model before signing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

SPECIAL_DAY = "model.special-day"
"""The check that says what is expected of a day with a name, which a signer reads first."""


class Level(StrEnum):
    """How much a finding weighs, lightest first."""

    PASS = "pass"  # noqa: S105  a verdict, not a secret
    REVIEW = "review"
    FAIL = "fail"


class Finding(BaseModel):
    """One observation, with where it was made and what to do.

    FAIL stops the model (the night then falls back); REVIEW reaches the signer; PASS is kept so
    that a report can say what was checked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level
    check: str
    message: str
    advice: str = ""
    source: str = ""
    column: str = ""
    row: int | None = None
    line: tuple[str, ...] | None = None
    value: str = ""


def worst_level(findings: Iterable[Finding]) -> Level:
    """Return the heaviest level among the findings, PASS when there are none."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.PASS)
