"""What decisions brought, as it came: against the people held out, and since a plan was signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.bandits.offers.log import BUCKETS
from pipeline.core.types import BoolArray, FloatArray

LEAST = 100
"""Decisions below which nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A mean reward per decision, or a difference of two, with its 90 % interval.

    Attributes:
        decisions: of the smaller of the two sides.
    """

    mean: float
    low: float
    high: float
    decisions: float


def holdout_lift(cells: Mapping[str, FloatArray]) -> Contrast | None:
    """Return what a decision earns over one that was held out; None with too few of either.

    Args:
        cells: columns `decisions`, `reward`, `bucket`, `is_holdout` and `is_current` of the log.
    """
    held = np.asarray(cells["is_holdout"], dtype=bool)
    return _contrast(cells, ~held, held)


def since_signed(cells: Mapping[str, FloatArray]) -> Contrast | None:
    """Return what a decision earned since the plan in force was signed; None with too few."""
    current = np.asarray(cells["is_current"], dtype=bool)
    held = np.asarray(cells["is_holdout"], dtype=bool)
    return _contrast(cells, current & ~held, None)


def _contrast(
    cells: Mapping[str, FloatArray], side: BoolArray, other: BoolArray | None
) -> Contrast | None:
    """Return the difference of two means; errors are over buckets of people.

    A bucket holds whole people, so its decisions may depend on each other.
    """
    mean, variance, decisions = _mean(cells, side)
    if other is not None:
        minus, more, fewer = _mean(cells, other)
        mean, variance, decisions = mean - minus, variance + more, min(decisions, fewer)
    if decisions < LEAST:
        return None
    reach = float(student.ppf(0.95, BUCKETS - 1)) * variance**0.5
    return Contrast(mean=mean, low=mean - reach, high=mean + reach, decisions=decisions)


def _mean(cells: Mapping[str, FloatArray], rows: BoolArray) -> tuple[float, float, float]:
    bucket = np.asarray(cells["bucket"])[rows].astype(int)
    count = np.bincount(bucket, weights=cells["decisions"][rows], minlength=BUCKETS)
    total = np.bincount(bucket, weights=cells["reward"][rows], minlength=BUCKETS)
    if count.sum() == 0:
        return 0.0, 0.0, 0.0
    mean = total.sum() / count.sum()
    apart = total - mean * count
    variance = BUCKETS / (BUCKETS - 1) * np.square(apart).sum() / count.sum() ** 2
    return float(mean), float(variance), float(count.sum())
