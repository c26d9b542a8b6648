"""Everything that is wrong with one file, told together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pipeline.core.errors import ConfigError

_LARGEST = 1e150  # squares of numbers below it are numbers
_LONGEST = 400  # characters of one problem
_MANY = 8  # problems of one file that are told in full


class Notes:
    """Every problem of one file, told together."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, message: str) -> None:
        """Remember one problem."""
        self.found.append(message if len(message) <= _LONGEST else message[:_LONGEST] + "...")

    def refuse(self) -> None:
        """Raise what was noted, if anything was."""
        if self.found:
            shown = "; ".join(self.found[:_MANY])
            more = f"; and {len(self.found) - _MANY} more" if len(self.found) > _MANY else ""
            raise ConfigError(f"{self.where}: {shown}{more}")

    def keys(self, what: str, data: object, allowed: Iterable[str]) -> dict[str, Any]:
        """Return the mapping, with unknown keys noted."""
        if not isinstance(data, dict):
            self.add(f"{what}: need an object, got {shown(data)}")
            return {}
        known = set(allowed)
        for key in sorted(set(data) - known, key=str):
            self.add(f"{what}: unknown key {key!r}, need one of {sorted(known)}")
        return data

    def text(self, what: str, value: object, *, most: int | None = None) -> str:
        """Return a text that is not empty and can be written; an empty one, noted, if it is none.

        Args:
            most: characters it may have.
        """
        size = "that is not empty" if most is None else f"of 1 to {most}"
        if not isinstance(value, str) or not value or (most is not None and len(value) > most):
            self.add(f"{what}: need a text {size}, got {shown(value)}")
        elif not _can_be_written(value):
            self.add(f"{what}: {shown(value)} has half a character in it, which nobody can write")
        else:
            return value
        return ""

    def number(self, what: str, value: object, *, least: float = 0.0) -> float:
        """Return a finite number that is not below `least`; NaN, noted, where it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.add(f"{what}: need a number, got {shown(value)}")
        elif abs(value) > _LARGEST:  # also an integer that no float can hold
            self.add(f"{what}: need a number below {_LARGEST:g}, got {shown(value)}")
        elif not math.isfinite(value):
            self.add(f"{what}: need a finite number, got {value!r}")
        elif value < least:
            self.add(f"{what}: need at least {least:g}, got {value:g}")
        else:
            return float(value)
        return math.nan


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """Return a value as a message shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
