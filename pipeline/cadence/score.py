"""How the last weeks' touches did: people who got them against the holdout, who did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.cadence.evidence import MIN_PERSONS, by_week
from pipeline.core.contacts import Contacts
from pipeline.core.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What touches brought, a person and week, per segment; arrays (n_segments,), nan unknown.

    Attributes:
        lift: value of people on a dose above 0 less that of the holdout.
        standard_error: of it.
        touches: a week, of those people.
    """

    lift: FloatArray
    standard_error: FloatArray
    touches: FloatArray


def realised(contacts: Contacts, chance: FloatArray) -> Realised:
    """Return what the touches of these days brought, without any model.

    Args:
        contacts: whole weeks of one cadence; what is over is left out at the beginning.
        chance: (n_segments, 2), variance of a person's weekly value: new each week, and lasting.
    """
    weekly = by_week(contacts)
    n_weeks = max(len(weekly.persons), 1)
    persons = weekly.persons.sum(axis=3)  # (n_weeks, n_segments, n_doses)
    touched = np.arange(persons.shape[2]) > 0
    size = np.stack([persons[..., ~touched].sum(axis=2), persons[..., touched].sum(axis=2)])
    total = weekly.reward.sum(axis=3)
    value = np.stack([total[..., ~touched].sum(axis=2), total[..., touched].sum(axis=2)])
    known = (size >= MIN_PERSONS).all(axis=(0, 1)) if len(weekly.persons) else touched[:0]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (value / size).mean(axis=1)  # (2, n_segments)
        variance = (chance[:, 0] / n_weeks + chance[:, 1]) * (1 / size.mean(axis=1)).sum(axis=0)
        touches = weekly.touches[:, :, touched].sum(axis=(0, 2, 3)) / size[1].sum(axis=0)
    return Realised(
        lift=np.where(known, mean[1] - mean[0], np.nan),
        standard_error=np.where(known, np.sqrt(variance), np.nan),
        touches=np.where(known, touches, np.nan),
    )
