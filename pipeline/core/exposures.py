"""What was shown and what came of it: days, audiences and creatives as one dense table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """Daily counts over an unbroken calendar whose last day is the day before the plan's.

    Attributes:
        shown: (n_days, n_audiences, n_creatives) impressions, >= 0.
        rewards: as `shown`: clicks or conversions, or what conversions were worth.
        counted: as `shown`: the events behind the rewards; the rewards themselves unless those
            are worth.
    """

    days: tuple[date, ...]
    audiences: tuple[str, ...]
    creatives: tuple[str, ...]
    shown: FloatArray
    rewards: FloatArray
    counted: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.days), len(self.audiences), len(self.creatives))
        for name in ("shown", "rewards", "counted"):
            table: FloatArray = getattr(self, name)
            if table.shape != shape:
                raise PipelineError(f"exposures: {name} has shape {table.shape}, need {shape}")
            if not (np.isfinite(table).all() and (table >= 0).all()):
                raise PipelineError(f"exposures: {name} must be finite and not negative")

    @property
    def is_worth(self) -> bool:
        """Whether rewards are worth rather than a count of events."""
        return self.rewards is not self.counted


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What people brought who were held out and saw an even split, on the days of the exposures.

    Attributes:
        shown, rewards: (n_days, n_audiences).
    """

    shown: FloatArray
    rewards: FloatArray
