"""What a campaign did, and how it says so while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

Tell = Callable[[int, int], None]
KEPT = 20


class EnoughError(Exception):
    """Said by whoever is told of the progress: the time is over, what was done counts."""


@dataclass
class Outcome:
    """How many cases were tried, what was counted on the way, and what went wrong."""

    unit: str
    cases: int = 0
    failed: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    newest: ClassVar[Outcome]

    def __post_init__(self) -> None:
        """Be the one that is asked for when a campaign is ended before its last case."""
        Outcome.newest = self

    def fail(self, what: str) -> None:
        """Count a failure and say it at once; the first ones are kept in words."""
        self.failed += 1
        if len(self.failures) < KEPT:
            self.failures.append(what)
            sys.stderr.write(f"  FAILED {what}\n")

    def note(self, name: str, more: int = 1) -> None:
        """Count something worth telling."""
        self.notes[name] = self.notes.get(name, 0) + more
