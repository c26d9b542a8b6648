"""Who was written to and what came of it: days, segments, doses and buckets as dense tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray, Line

COUNTS = ("persons", "touches", "reward", "leavers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """Daily counts over an unbroken calendar whose last day is the day before the plan's.

    A dose is how many touches a week a person was drawn for, by lot and for weeks. A bucket is a
    random part of the people, the same for good: each is a small repetition of the lottery, so
    that differences between buckets say how sure a dose's mean is.

    Attributes:
        drawn: name of a count -> (n_days, n_segments, n_doses, n_buckets), people drawn by lot;
            the dose is the position, 0 for nothing.
        rest: name of a count -> (n_days, n_segments), people whose dose nobody drew.
        must_send: (n_days, n_segments), messages that had to go out, to anybody.
    """

    days: tuple[date, ...]
    segments: tuple[Line, ...]
    drawn: dict[str, FloatArray]
    rest: dict[str, FloatArray]
    must_send: FloatArray

    def __post_init__(self) -> None:
        flat = (len(self.days), len(self.segments))
        for name in COUNTS:
            if self.drawn[name].shape[:2] != flat or self.drawn[name].ndim != 4:
                raise PipelineError(f"contacts: {name} has shape {self.drawn[name].shape}")
            if self.rest[name].shape != flat:
                raise PipelineError(f"contacts: rest of {name} has {self.rest[name].shape}")
            for table in (self.drawn[name], self.rest[name]):
                if not (np.isfinite(table).all() and (table >= 0).all()):
                    raise PipelineError(f"contacts: {name} must be finite and not negative")
        if self.must_send.shape != flat:
            raise PipelineError(f"contacts: must_send has shape {self.must_send.shape}")

    def total(self, name: str) -> FloatArray:
        """Return a count of everybody, (n_days, n_segments)."""
        return np.asarray(self.drawn[name].sum(axis=(2, 3)) + self.rest[name])

    def part(self, begin: int, end: int) -> Contacts:
        """Return the days from `begin` up to before `end`, places in `days`."""
        return Contacts(
            days=self.days[begin:end],
            segments=self.segments,
            drawn={name: table[begin:end] for name, table in self.drawn.items()},
            rest={name: table[begin:end] for name, table in self.rest.items()},
            must_send=self.must_send[begin:end],
        )
