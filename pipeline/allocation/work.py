"""How long a search may go on: counted work, the same on every machine, and at the edge a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

UNITS = 400_000.0
"""Work that a solution may take by default: half a minute to a minute where a proof is hard."""
TREE = 1 / 16
"""What finding all prices of nested limits costs a line, next to a round of a linear program."""


@dataclass(slots=True)
class Work:
    """What a search has done and may still do.

    A unit is one line priced once under limits that do not nest. Work that is counted ends a
    search at the same place every time; `stop` is for a person who waits, and is given in only
    where nothing has to be repeated to the byte.

    Attributes:
        units: how much may be done in all.
        stop: asked now and then, says whether time is up.
        done: how much was done.
    """

    units: float = UNITS
    stop: Callable[[], bool] | None = None
    done: float = 0.0
    _stopped: bool = False

    def spend(self, units: float) -> None:
        """Count work as done."""
        self.done += units

    @property
    def is_over(self) -> bool:
        """Whether the search should end with what it has."""
        return self.done >= self.units or self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether the clock has said that time is up; once it has, it stays so."""
        if not self._stopped and self.stop is not None:
            self._stopped = self.stop()
        return self._stopped
